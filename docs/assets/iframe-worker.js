// Pages that are opened from a folder may start no worker, and search needs one: here it runs in a hidden frame instead.
// It is loaded on every page, and does nothing where a web server gives the pages out.
if (location.protocol === "file:") {
  class IFrameWorker extends EventTarget {
    constructor(url) {
      super()
      this.waiting = []
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      this.inside = frame.contentWindow
      this.inside.postMessage = message => this.dispatchEvent(new MessageEvent("message", { data: message }))
      this.inside.importScripts = (...urls) => urls.reduce((before, each) => before.then(() => this.load(each)), Promise.resolve())
      this.load(url).then(() => {
        this.ready = true
        this.waiting.splice(0).forEach(message => this.postMessage(message))
      })
    }

    load(url) {
      return new Promise((resolve, reject) => {
        const script = this.inside.document.createElement("script")
        script.src = url
        script.onload = resolve
        script.onerror = reject
        this.inside.document.body.append(script)
      })
    }

    postMessage(message) {
      if (!this.ready) return void this.waiting.push(message)
      this.inside.dispatchEvent(new MessageEvent("message", { data: message }))
    }
  }
  window.IFrameWorker = IFrameWorker
  window.Worker = IFrameWorker
}
