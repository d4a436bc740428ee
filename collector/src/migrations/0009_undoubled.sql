-- Agents of the original tell twice their link's speed; those from before
-- December 2025 tell it once, which nothing in what they send shows.
ALTER TABLE service ADD COLUMN max_bandwidth_undoubled BOOLEAN DEFAULT false;
COMMENT ON COLUMN service.max_bandwidth_undoubled IS 'Its agent is the original''s from before December 2025, whose max_bandwidth is the speed of its link, not twice that.';
