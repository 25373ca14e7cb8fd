package rules

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"edge/internal/strictyaml"
)

type windowSpec struct {
	Type          *strictyaml.Text `yaml:"type,required"`
	Size          *time.Duration   `yaml:"size"`
	Hop           *strictyaml.Text `yaml:"hop"`
	Gap           *time.Duration   `yaml:"gap"`
	Count         *int64           `yaml:"count"`
	MaxDuration   *time.Duration   `yaml:"max_duration"`
	Offset        *time.Duration   `yaml:"offset"`
	Timestamp     *strictyaml.Text `yaml:"timestamp"`
	TimestampUnit *strictyaml.Text `yaml:"timestamp_unit"`
	Grace         *time.Duration   `yaml:"grace"`
	IdleTimeout   *time.Duration   `yaml:"idle_timeout"`
	MaxAhead      *time.Duration   `yaml:"max_ahead"`
	OnLate        *onErrorSpec     `yaml:"on_late"`

	pos map[string]strictyaml.Pos
	bad bool // something of it was wrong and is reported
}

// Validate keeps the places of the keys, for what only the whole tells.
func (w *windowSpec) Validate(pos func(key string) strictyaml.Pos, _ *strictyaml.Errors) {
	w.pos = map[string]strictyaml.Pos{"": pos("")}
	for _, key := range w.keys() {
		w.pos[key.name] = pos(key.name)
	}
}

type windowKey struct {
	name  string
	given bool
}

func (w *windowSpec) keys() []windowKey {
	return []windowKey{
		{"type", w.Type != nil}, {"size", w.Size != nil}, {"hop", w.Hop != nil}, {"gap", w.Gap != nil}, {"count", w.Count != nil},
		{"max_duration", w.MaxDuration != nil}, {"offset", w.Offset != nil}, {"timestamp", w.Timestamp != nil},
		{"timestamp_unit", w.TimestampUnit != nil}, {"grace", w.Grace != nil}, {"idle_timeout", w.IdleTimeout != nil},
		{"max_ahead", w.MaxAhead != nil}, {"on_late", w.OnLate != nil},
	}
}

// What each kind of window needs and may have, beside what goes with timestamp.
var windowKeys = map[string]struct{ needs, takes []string }{
	"tumbling": {needs: []string{"size"}, takes: []string{"offset"}},
	"hopping":  {needs: []string{"size", "hop"}, takes: []string{"offset"}},
	"sliding":  {needs: []string{"size"}},
	"session":  {needs: []string{"gap"}, takes: []string{"max_duration"}},
	"count":    {needs: []string{"count"}, takes: []string{"hop"}},
}

// Keys that mean something in event time only.
var eventTimeKeys = []string{"timestamp_unit", "grace", "idle_timeout", "max_ahead", "on_late"}

// Why a kind does not take a key, and what to do.
var windowAdvice = map[string]string{
	"hop":          "it is for hopping and count windows; to overlap, write type: hopping",
	"size":         "a session ends after its gap:, a count window after count: messages",
	"gap":          "it is for session windows; write type: session",
	"count":        "it is for count windows; write type: count",
	"max_duration": "it is for session windows",
	"offset":       "only tumbling and hopping windows are aligned to the clock",
	"timestamp":    "a count window takes messages as they come, whatever their time",
}

const longestWindow = 10 * 366 * 24 * time.Hour

// window compiles window:, having: and what must fit them. in is what is known of a message.
func (b *builder) window(spec *ruleSpec, in names) {
	r := b.rule
	if spec.Window == nil {
		if spec.Aggregate != nil {
			b.add(spec.Aggregate.pos, "aggregate needs window:, which says of which messages; such as window: {type: tumbling, size: 1m}")
		}
		if spec.Having != nil {
			b.add(spec.Having.Pos, "having is a condition on the result of a window, and there is no window:; write it in when: or in a route's when:")
		}
		return
	}
	w := spec.Window
	if w.pos == nil { // it was wrong, and that is reported
		return
	}
	b.besideWindow(spec)
	r.window = &window{unit: int64(time.Millisecond), maxDuration: math.MaxInt64}
	in.out = false
	r.window.timestamp = b.expression(w.Timestamp, "window.timestamp", strict, in)
	b.windowKind(w)
	b.windowTime(w)
	r.window.sign()
	after := in.ofWindow()
	after.out = true
	r.window.having = b.expression(spec.Having, "having", lenient, after)
	b.program.eventTime = b.program.eventTime || w.Timestamp != nil && r.enabled
}

// besideWindow checks what stands beside window: in the rule.
func (b *builder) besideWindow(spec *ruleSpec) {
	if spec.Absent != nil {
		b.add(spec.Absent.pos, "absent and window exclude each other: absent tells of a key that is silent, a window of its messages; make two rules of it")
	}
	switch {
	case spec.Aggregate != nil:
	case spec.Map != nil:
		b.add(spec.Map.pos, "map and window exclude each other: map is of one message, a window has many; write aggregate: instead")
	case spec.Set != nil:
		b.add(spec.Set.pos, "set and window exclude each other: set changes one message, a window has many; write aggregate: instead")
	default:
		b.add(spec.Window.pos[""], "window needs aggregate:, which says what comes of its messages; such as aggregate: {n: count()}")
	}
}

// refuse reports something about a key of window.
func (b *builder) refuse(w *windowSpec, key, format string, args ...any) {
	w.bad = true
	b.add(w.pos[key], "window: %s", fmt.Sprintf(format, args...))
}

// windowKind reads the type and what belongs to it.
func (b *builder) windowKind(w *windowSpec) {
	kind := w.Type.Value
	keys, known := windowKeys[kind]
	if !known {
		hint := ""
		if near := strictyaml.Suggest(kind, windowKinds); near != "" {
			hint = ", did you mean " + near + "?"
		}
		b.refuse(w, "type", "type wants tumbling, hopping, sliding, session or count, not %q%s", kind, hint)
		return
	}
	for _, key := range w.keys() {
		if !key.given || key.name == "type" || slices.Contains(keys.needs, key.name) || slices.Contains(keys.takes, key.name) {
			continue
		}
		if advice := windowAdvice[key.name]; advice != "" && (key.name != "timestamp" || kind == "count") {
			b.refuse(w, key.name, "%s does not go with type %s: %s", key.name, kind, advice)
		}
	}
	for _, key := range keys.needs {
		if !slices.Contains(w.keys(), windowKey{key, true}) {
			example := map[string]string{"size": "1m", "hop": "10s", "gap": "30s", "count": "100"}[key]
			b.refuse(w, "", "type %s needs %s:, such as %s: %s", kind, key, key, example)
		}
	}
	if w.bad {
		return
	}
	b.windowSizes(w, windowKindOf(kind))
}

func windowKindOf(name string) windowKind { return windowKind(slices.Index(windowKinds, name)) }

// windowSizes reads how long windows are and how they follow each other.
func (b *builder) windowSizes(w *windowSpec, kind windowKind) {
	to := b.rule.window
	to.kind = kind
	to.size = b.duration(w, "size", w.Size, time.Millisecond)
	to.gap = b.duration(w, "gap", w.Gap, time.Millisecond)
	if w.MaxDuration != nil {
		if to.maxDuration = b.duration(w, "max_duration", w.MaxDuration, time.Millisecond); !w.bad && to.maxDuration < to.gap {
			b.refuse(w, "max_duration", "max_duration is below gap, so that no gap would ever end a session")
		}
	}
	to.hop = to.size
	if kind == hopping {
		hop, err := strictyaml.ParseDuration(w.Hop.Value)
		if err != nil {
			b.refuse(w, "hop", "hop wants a duration such as 10s, not %q", w.Hop.Value)
			return
		}
		to.hop = b.duration(w, "hop", &hop, time.Millisecond)
	}
	if w.Offset != nil {
		to.offset = b.duration(w, "offset", w.Offset, math.MinInt64)
	}
	if kind == counting {
		b.windowCount(w)
	}
	if w.bad {
		return
	}
	if kind == tumbling || kind == hopping {
		to.offset -= floor(to.offset, to.hop)
		if overlap := (to.size + to.hop - 1) / to.hop; overlap > mostOverlap {
			b.refuse(w, "hop", "each message would be in %d windows, at most %d are allowed: raise hop or lower size", overlap, mostOverlap)
		}
	}
}

// windowCount reads the numbers of a count window.
func (b *builder) windowCount(w *windowSpec) {
	to := b.rule.window
	const most = 1_000_000_000
	if to.count = *w.Count; to.count < 1 || to.count > most {
		b.refuse(w, "count", "count wants a number of messages from 1 to %d, not %d", most, to.count)
	}
	to.every = to.count
	if w.Hop != nil {
		var err error
		if to.every, err = strconv.ParseInt(w.Hop.Value, 10, 64); err != nil || to.every < 1 || to.every > most {
			b.refuse(w, "hop", "hop of a count window wants a number of messages from 1 to %d, not %q", most, w.Hop.Value)
		}
	}
	if w.bad {
		return
	}
	if overlap := (to.count + to.every - 1) / to.every; overlap > mostOverlap {
		b.refuse(w, "hop", "each message would be in %d windows, at most %d are allowed: raise hop or lower count", overlap, mostOverlap)
	}
}

// duration reads a duration of a window: whole milliseconds, since window.start and window.end are.
func (b *builder) duration(w *windowSpec, key string, d *time.Duration, least time.Duration) int64 {
	switch {
	case d == nil:
		return 0
	case *d < least && least == time.Millisecond:
		b.refuse(w, key, "%s wants a duration of at least 1ms, not %v", key, *d)
	case *d < least:
		b.refuse(w, key, "%s cannot be below zero", key)
	case d.Abs() > longestWindow:
		b.refuse(w, key, "%s is above ten years", key)
	case *d%time.Millisecond != 0:
		b.refuse(w, key, "%s wants whole milliseconds, not %v", key, *d)
	}
	return int64(*d)
}

// windowTime reads what belongs to event time.
func (b *builder) windowTime(w *windowSpec) {
	to := b.rule.window
	if w.Timestamp == nil {
		for _, key := range w.keys() {
			if key.given && slices.Contains(eventTimeKeys, key.name) {
				b.refuse(w, key.name, "%s is of event time and needs timestamp:, an expression such as payload.ts; without it windows go by the clock, and no message is late", key.name)
			}
		}
		return
	}
	if u := w.TimestampUnit; u != nil {
		switch u.Value {
		case "ms":
		case "s":
			to.unit = int64(time.Second)
		default:
			b.refuse(w, "timestamp_unit", "timestamp_unit wants ms or s, not %q", u.Value)
		}
	}
	to.grace = b.duration(w, "grace", w.Grace, 0)
	to.idle = b.duration(w, "idle_timeout", w.IdleTimeout, time.Millisecond)
	to.maxAhead = b.duration(w, "max_ahead", w.MaxAhead, time.Millisecond)
	b.rule.window.onLate = b.letters(w.OnLate, "window.on_late")
	to.signature = fmt.Sprintf(" by %s of %d grace %d", w.Timestamp.Value, to.unit, to.grace)
}

// sign makes the signature of the window, when it is read.
func (w *window) sign() {
	w.signature = fmt.Sprintf("window %s size %d hop %d gap %d most %d count %d every %d offset %d%s\n",
		windowKinds[w.kind], w.size, w.hop, w.gap, w.maxDuration, w.count, w.every, w.offset, w.signature)
}
