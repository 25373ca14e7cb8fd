package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"edge/engine"
	"edge/internal/mqttconn"
	"edge/rules"
)

// handler answers what /metrics, the health checks and /v1 are asked. It only reads, and only GET.
func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.metrics())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", a.serveReady)
	mux.HandleFunc("GET /v1/config", a.serveConfig)
	mux.HandleFunc("GET /v1/rules", a.serveRules)
	mux.HandleFunc("GET /v1/tables", a.serveTables)
	mux.HandleFunc("GET /v1/tables/{name}", a.serveTable)
	return mux
}

func (a *app) serveConfig(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, struct {
		*status
		Orphans []engine.Leftover `json:"buffers_without_sink,omitempty"`
	}{a.status.Load(), a.orphans()})
}

func (a *app) serveRules(w http.ResponseWriter, _ *http.Request) {
	list := []rules.RuleStats{}
	if s := a.running.Load(); s != nil {
		list = append(list, s.program.Stats()...)
	}
	answer(w, http.StatusOK, map[string]any{"rules": list})
}

func (a *app) serveTables(w http.ResponseWriter, _ *http.Request) {
	list := []rules.TableStats{}
	if s := a.running.Load(); s != nil {
		list = append(list, s.program.Tables(time.Now())...)
	}
	answer(w, http.StatusOK, map[string]any{"tables": list})
}

// serveTable writes the rows of one table as they are, one after the other: a table may be large.
func (a *app) serveTable(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	s := a.running.Load()
	if s == nil || !s.program.HasTable(name) {
		names := []string{}
		if s != nil {
			for _, t := range s.program.Tables(time.Now()) {
				names = append(names, t.Name)
			}
		}
		answer(w, http.StatusNotFound, map[string]any{"error": fmt.Sprintf("no table %q", name), "tables": names})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := s.program.WriteTable(w, name, time.Now()); err != nil {
		a.log.Debug("writing a table to a client", "table", name, "error", err)
	}
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready   bool        `json:"ready"`
	Reasons []string    `json:"reasons"`         // why not
	Sinks   []sinkState `json:"sinks"`           // those that do not get through; they do not make edge unready
	State   string      `json:"state,omitempty"` // why that of durable rules cannot be written; nor does that
}

type sinkState struct {
	Name   string `json:"name"`
	Queued int    `json:"queued"`
	Error  string `json:"error"`
	Down   string `json:"down_for"`
	// HoldsBack: sources wait for it, as its queue is full and does not drop, or what it has is all that may be in flight.
	HoldsBack bool `json:"holds_back"`
	// Disk: why its buffer cannot be written to the disk; meanwhile it is as one in memory.
	Disk string `json:"disk,omitempty"`
}

func (a *app) serveReady(w http.ResponseWriter, _ *http.Request) {
	r := a.ready()
	code := http.StatusOK
	if !r.Ready {
		code = http.StatusServiceUnavailable
	}
	answer(w, code, r)
}

func (a *app) ready() readiness {
	r := readiness{Reasons: []string{}, Sinks: []sinkState{}}
	s := a.running.Load()
	switch {
	case s == nil:
		r.Reasons = append(r.Reasons, "no rules are loaded yet")
		return r
	case a.stop.Load():
		r.Reasons = append(r.Reasons, "stopping")
	}
	stats := a.engine.Stats()
	for _, e := range s.config.Sources {
		if why := notReady(s.sources[e.Key].it, stats.Sources[e.Key]); why != "" {
			r.Reasons = append(r.Reasons, fmt.Sprintf("source %s: %s", e.Key, why))
		}
	}
	for _, e := range s.config.Sinks {
		one := stats.Sinks[e.Key]
		full := holdsBack(e.Value.Buffer, one)
		if one.Disk.Error == "" && (one.Up && !full || one.Queued.Messages == 0) {
			continue
		}
		r.Sinks = append(r.Sinks, sinkState{
			Name: e.Key, Queued: one.Queued.Messages, Error: one.Error,
			Down: one.DownFor.Round(time.Second).String(), HoldsBack: full, Disk: one.Disk.Error,
		})
	}
	if store := s.program.Store(); store != nil {
		if stats := store.Stats(); stats.Error != "" {
			r.State = fmt.Sprintf("cannot be written for %s, and what durable rules take is not acknowledged: %s", stats.FailingFor.Round(time.Second), stats.Error)
		}
	}
	r.Ready = len(r.Reasons) == 0
	return r
}

// holdsBack says that a source waits, or whoever emits to a queue: it blocks, and has no room for one more like those
// in it. One on disk knows itself.
func holdsBack(b engine.Buffer, s engine.SinkStats) bool {
	if s.Stalls {
		return true
	}
	if s.Disk.Used {
		return s.Waiting > 0
	}
	if b.WhenFull == engine.DropOldest || b.WhenFull == engine.DropNewest || s.Queued.Messages == 0 {
		return false
	}
	bound := b.MaxSize
	if bound == 0 {
		bound = 4 << 20
	}
	return s.Queued.Bytes+s.Queued.Bytes/int64(s.Queued.Messages) > bound
}

// connected is what a source that keeps a connection tells of it.
type connected interface{ Conn() *mqttconn.Conn }

func notReady(source engine.Source, s engine.SourceStats) string {
	if c, ok := source.(connected); ok {
		conn := c.Conn()
		switch err := conn.LastError(); {
		case !conn.Connected() && err != nil:
			return "not connected: " + err.Error()
		case !conn.Connected():
			return "not connected"
		case !conn.Subscribed() && err != nil:
			return "not subscribed: " + err.Error()
		case !conn.Subscribed():
			return "not subscribed"
		}
	}
	if !s.Running {
		return "not running: " + s.Error
	}
	return ""
}

// answer writes v as JSON. HTML is escaped, in case a browser takes it for that after all.
func answer(w http.ResponseWriter, code int, v any) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(slices.Concat(data, []byte("\n")))
}
