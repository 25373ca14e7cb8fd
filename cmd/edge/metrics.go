package main

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"edge/rules"
	"edge/sources"
)

// metrics serves /metrics. Nothing is counted here: each scrape reads the books of engine and rules, so that
// a message costs no metric of its own.
func (a *app) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &books{a})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

type books struct{ app *app }

type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func counter(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("edge_"+name, help, labels, nil), prometheus.CounterValue}
}

func gauge(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("edge_"+name, help, labels, nil), prometheus.GaugeValue}
}

var (
	buildInfo = gauge("build_info", "The program that runs.", "version", "revision", "goversion")

	configGood     = gauge("config_last_reload_successful", "1 when the files as they are now are what runs.")
	configLoaded   = gauge("config_loaded_timestamp_seconds", "When the running set was loaded.")
	configLoads    = counter("config_loads_total", "Sets of files that were loaded and run.")
	configFailures = counter("config_failures_total", "Sets of files that had errors and did not run.")

	inFlight      = gauge("in_flight_messages", "Messages received and not settled yet.")
	inFlightMost  = gauge("in_flight_messages_max", "The most there ever were.")
	inFlightBytes = gauge("in_flight_bytes", "Their payloads.")
	unsettledAge  = gauge("unsettled_age_seconds", "Age of the oldest message that is not settled.")
	laneBacklog   = gauge("lane_backlog_messages", "Messages that wait for a lane.")
	panics        = counter("panics_total", "Messages that made a rule panic.")

	sourceIn          = counter("source_messages_total", "Messages taken.", "source")
	sourceOverload    = counter("source_overload_total", "QoS 0 messages dropped because too much was in flight.", "source")
	sourceRefused     = counter("source_refused_total", "QoS 1 and 2 messages sent back to come again, because too much was in flight.", "source")
	sourceUnsettled   = gauge("source_unsettled_messages", "Messages taken and not settled yet.", "source")
	sourceRestarts    = counter("source_restarts_total", "Restarts of the source after an error.", "source")
	sourceConnected   = gauge("source_connected", "1 when the source is connected.", "source")
	sourceSubscribed  = gauge("source_subscribed", "1 when the broker has taken all subscriptions.", "source")
	sourceConnects    = counter("source_connects_total", "Connections made.", "source")
	sourceReceived    = counter("source_received_total", "Messages the broker sent, redelivered ones and copies too.", "source")
	sourceRedelivered = counter("source_redelivered_total", "Messages sent again after a reconnect and known: not processed twice.", "source")
	sourceCopies      = counter("source_copies_total", "Further copies of a message for overlapping subscriptions.", "source")
	sourceLost        = counter("source_session_lost_total", "Reconnects at which the broker had forgotten the session.", "source")
	sourceOverruns    = counter("source_overruns_total", "Disconnects because the broker sent more than edge may hold.", "source")

	sinkQueued   = gauge("sink_queue_messages", "Messages that wait before a sink.", "sink")
	sinkBytes    = gauge("sink_queue_bytes", "What they take of the queue's bound.", "sink")
	sinkFailing  = gauge("sink_failing_keys", "Keys whose messages wait for another try.", "sink")
	sinkWritten  = counter("sink_written_total", "Messages the sink accepted.", "sink")
	sinkBatches  = counter("sink_batches_total", "Batches the sink was given.", "sink")
	sinkRetries  = counter("sink_retries_total", "Tries after the first, counted by message.", "sink")
	sinkRejected = counter("sink_rejected_total", "Messages the sink refused for good.", "sink")
	sinkExpired  = counter("sink_expired_total", "Messages given up after retry.max_elapsed, or with a removed sink.", "sink")
	sinkDropped  = counter("sink_dropped_total", "Messages dropped by the policy of the queue.", "sink", "reason")
	sinkUp       = gauge("sink_up", "0 while nothing gets through.", "sink")
	sinkHolds    = gauge("sink_holds_back", "1 while sources wait for it.", "sink")

	stateBytes       = gauge("state_file_bytes", "Size of the file with what durable rules keep.")
	stateWritten     = counter("state_written_bytes_total", "What was written to it, compactions included.")
	stateCommits     = counter("state_commits_total", "Writes that were made safe, each with a sync.")
	stateCompactions = counter("state_compactions_total", "Times that it was compacted.")
	stateFailures    = counter("state_write_failures_total", "Writes to it that failed and were tried again.")
	stateFailing     = gauge("state_failing", "1 while nothing can be written to it: what durable rules take is not acknowledged.")
	stateDamaged     = gauge("state_damaged_places", "Places of it that could not be read at the start.")
	stateRestored    = gauge("state_restored_keys", "Keys that were read from it.")

	diskMessages = gauge("sink_disk_messages", "Messages in the disk buffer of a sink.", "sink")
	diskBytes    = gauge("sink_disk_bytes", "The files that hold them.", "sink")
	diskSyncs    = counter("sink_disk_syncs_total", "Batches written and synced.", "sink")
	diskSynced   = counter("sink_disk_synced_total", "Messages in them. One that the sink had before it was written is not.", "sink")
	diskDamaged  = counter("sink_disk_damaged_total", "Messages that were on disk and could not be read.", "sink")
	diskDegraded = gauge("sink_disk_degraded", "1 while the disk cannot be written: messages stay in memory, unacknowledged.", "sink")
	diskOrphan   = gauge("buffer_without_sink_bytes", "Files of a disk buffer whose sink is not in edge.yaml.", "sink", "kind")

	ruleIn       = counter("rule_messages_total", "Messages of a rule, or elements after split.", "rule")
	ruleOutcome  = counter("rule_outcomes_total", "What became of them: rule_messages_total is the sum of these and rule_in_flight.", "rule", "outcome")
	ruleInFlight = gauge("rule_in_flight", "Those that are not settled yet.", "rule")
	ruleResults  = counter("rule_results_total", "Results of windows and timers.", "rule")
	ruleMissing  = counter("rule_missing_total", "Conditions that were false because something was missing or null.", "rule")
	ruleLeftOut  = counter("rule_left_out_total", "Values that collect had no room for, counted with each result.", "rule")
	ruleKeys     = gauge("rule_keys", "Keys of which the rule keeps something.", "rule")
	ruleBytes    = gauge("rule_state_bytes", "What that takes, about.", "rule")
	ruleEvicted  = counter("rule_evicted_total", "Keys that were forgotten because there was no room.", "rule")
	ruleErrors   = counter("rule_errors_total", "Errors by class.", "rule", "class")

	tableKeys    = gauge("table_keys", "Rows of a table.", "table")
	tableWrites  = counter("table_writes_total", "Messages written to a table.", "table")
	tableEvicted = counter("table_evicted_total", "Rows dropped because the table was full.", "table")
	tableErrors  = counter("table_errors_total", "Messages that could not be written to a table, by class.", "table", "class")
)

// Describe sends nothing: names of rules, sources and sinks come and go with reloads.
func (*books) Describe(chan<- *prometheus.Desc) {}

func (b *books) Collect(ch chan<- prometheus.Metric) {
	tell := func(f family, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(f.desc, f.kind, value, labels...)
	}
	v := thisVersion()
	tell(buildInfo, 1, v.Version, v.Revision, v.Go)
	a := b.app
	tell(configLoads, float64(a.counts.loads.Load()))
	tell(configFailures, float64(a.counts.failures.Load()))
	if s := a.status.Load(); s != nil {
		tell(configGood, truth(s.Error == nil))
		tell(configLoaded, float64(s.LoadedAt.UnixMilli())/1000)
	}
	if s := a.running.Load(); s != nil {
		a.tellEngine(s, tell)
		tellRules(s.program.Stats(), tell)
		tellState(s.program.Store(), tell)
		tellTables(s.program.Tables(time.Now()), tell)
	}
}

type teller func(f family, value float64, labels ...string)

func (a *app) tellEngine(s *set, tell teller) {
	stats := a.engine.Stats()
	tell(inFlight, float64(stats.InFlight.Messages))
	tell(inFlightMost, float64(stats.InFlight.MaxMessages))
	tell(inFlightBytes, float64(stats.InFlight.Bytes))
	tell(unsettledAge, stats.Unsettled.Seconds())
	tell(laneBacklog, float64(stats.Backlog))
	tell(panics, float64(stats.Panics))

	for name, one := range stats.Sources {
		tell(sourceIn, float64(one.In), name)
		tell(sourceRefused, float64(one.Refused), name)
		tell(sourceUnsettled, float64(one.Unsettled), name)
		tell(sourceRestarts, float64(one.Restarts), name)
	}
	for name, o := range s.sources {
		c, ok := o.it.(connected)
		if !ok {
			continue
		}
		if m, ok := o.it.(*sources.MQTTSource); ok {
			tell(sourceOverload, float64(m.Stats().Overload), name)
		}
		conn := c.Conn().Stats()
		tell(sourceConnected, truth(conn.Connected), name)
		tell(sourceSubscribed, truth(conn.Subscribed), name)
		tell(sourceConnects, float64(conn.Connects), name)
		tell(sourceReceived, float64(conn.Received), name)
		tell(sourceRedelivered, float64(conn.Redelivered), name)
		tell(sourceCopies, float64(conn.Copies), name)
		tell(sourceLost, float64(conn.SessionLost), name)
		tell(sourceOverruns, float64(conn.Overruns), name)
	}
	for name, one := range stats.Sinks {
		tell(sinkQueued, float64(one.Queued.Messages), name)
		tell(sinkBytes, float64(one.Queued.Bytes), name)
		tell(sinkFailing, float64(one.Failing), name)
		tell(sinkWritten, float64(one.Written), name)
		tell(sinkBatches, float64(one.Batches), name)
		tell(sinkRetries, float64(one.Retries), name)
		tell(sinkRejected, float64(one.Rejected), name)
		tell(sinkExpired, float64(one.Expired), name)
		tell(sinkDropped, float64(one.Dropped.Oldest), name, "oldest")
		tell(sinkDropped, float64(one.Dropped.Newest), name, "newest")
		tell(sinkDropped, float64(one.Dropped.Age), name, "age")
		tell(sinkUp, truth(one.Up), name)
		if d := one.Disk; d.Used {
			tell(diskMessages, float64(d.Messages), name)
			tell(diskBytes, float64(d.Bytes), name)
			tell(diskSyncs, float64(d.Syncs), name)
			tell(diskSynced, float64(d.Synced), name)
			tell(diskDamaged, float64(d.Damaged), name)
			tell(diskDegraded, truth(d.Error != ""), name)
		}
		if c, ok := s.config.Sinks.Get(name); ok {
			tell(sinkHolds, truth(holdsBack(c.Buffer, one)), name)
		}
	}
	for _, one := range a.orphans() {
		tell(diskOrphan, float64(one.Bytes), one.Sink, one.Kind)
	}
}

func tellRules(list []rules.RuleStats, tell teller) {
	for _, r := range list {
		tell(ruleIn, float64(r.In), r.Name)
		for _, o := range []struct {
			name  string
			count int64
		}{
			{"delivered", r.Delivered}, {"filtered", r.Filtered}, {"suppressed", r.Suppressed}, {"late", r.Late},
			{"kept", r.Kept}, {"error", r.Error}, {"dropped", r.Dropped}, {"shadow", r.Shadow},
		} {
			tell(ruleOutcome, float64(o.count), r.Name, o.name)
		}
		tell(ruleInFlight, float64(r.InFlight), r.Name)
		tell(ruleResults, float64(r.Results), r.Name)
		tell(ruleMissing, float64(r.Missing), r.Name)
		tell(ruleLeftOut, float64(r.LeftOut), r.Name)
		tell(ruleKeys, float64(r.Keys), r.Name)
		tell(ruleBytes, float64(r.StateBytes), r.Name)
		tell(ruleEvicted, float64(r.Evicted), r.Name)
		for class, n := range r.Errors {
			tell(ruleErrors, float64(n), r.Name, class)
		}
	}
}

func tellTables(list []rules.TableStats, tell teller) {
	for _, t := range list {
		tell(tableKeys, float64(t.Keys), t.Name)
		tell(tableWrites, float64(t.Writes), t.Name)
		tell(tableEvicted, float64(t.Evicted), t.Name)
		for class, n := range t.Errors {
			tell(tableErrors, float64(n), t.Name, class)
		}
	}
}

func tellState(store *rules.Store, tell teller) {
	if store == nil {
		return
	}
	s := store.Stats()
	tell(stateBytes, float64(s.Bytes))
	tell(stateWritten, float64(s.Written))
	tell(stateCommits, float64(s.Commits))
	tell(stateCompactions, float64(s.Compactions))
	tell(stateFailures, float64(s.Failures))
	tell(stateFailing, truth(s.Error != ""))
	tell(stateDamaged, float64(s.Damaged))
	tell(stateRestored, float64(s.Restored))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
