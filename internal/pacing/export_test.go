package pacing

// Busy says whether the connection is looked at at intervals.
func (c *Conn) Busy() bool { return c.busy.Load() }
