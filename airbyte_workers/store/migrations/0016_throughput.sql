-- works with 0013
-- How an attempt went over time, as the summary of its pod has it; null: its pod left none.
alter table attempts add column throughput jsonb;

-- What a sync, clear or refresh ran with, by role: images as they were named, of commands the program alone.
alter table jobs add column connectors jsonb;
