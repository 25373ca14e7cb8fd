package rules

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edge/engine"
)

// TestReloadsLeaveNothing: programs that were reloaded go, though the rules of most files were taken over from the first.
func TestReloadsLeaveNothing(t *testing.T) {
	var gone atomic.Int64
	const reloads = 10
	env := testEnv
	files := make([]File, 5)
	for i := range files {
		files[i] = File{Name: fmt.Sprintf("rules/f%d.yaml", i), Data: []byte(kindsOfRules(i, 0))}
	}
	for i := range reloads {
		files[i%len(files)].Data = []byte(kindsOfRules(i%len(files), i))
		p, errs := Load(files, env)
		if err := errs.Err(); err != nil {
			t.Fatal(err)
		}
		runtime.AddCleanup(p, func(int) { gone.Add(1) }, 0)
		handle(t, p, topic, `{"n":1,"s":"x"}`)
		env.Previous = p
	}
	for range 100 {
		runtime.GC()
		if gone.Load() >= reloads-2 {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d of %d programs are gone", gone.Load(), reloads-1)
	runtime.KeepAlive(env.Previous)
}

// kindsOfRules is a file with a rule of each kind.
func kindsOfRules(file, version int) string {
	text := fmt.Sprintf("rules:\n  a%[1]d: {source: in, when: payload.n == %[2]d, map: {v: '%[2]d', n: payload.n + 1, m: 'out.n * 2'}, route: [{to: mq, topic: 'o/{{ out.n }}', when: 'out.n > 0'}], on_error: {to: dead}}\n", file, version%3)
	text += fmt.Sprintf("  b%[1]d: {source: in, topic: 'hospital/{site}/#', let: {k: payload.s}, when: k == \"x\" and params.site == \"H1\", set: {v: %[2]d}, id: k, route: [{to: nats, subject: 'o.{{ params.site }}'}]}\n", file, version)
	text += fmt.Sprintf("  c%[1]d: {source: in, when: 'payload.n in [%[2]d, 1]', dedupe: {by: payload.s, within: 1s}, route: [{to: dead2}]}\n", file, version)
	return text
}

// A folder is the files of a set, and those that they name.
type folder struct {
	*rand.Rand
	rules map[string]string
	disk  map[string]string
}

// edit changes something, mostly for the better.
func (f *folder) edit() {
	number := f.IntN(6)
	name := fmt.Sprintf("rules/f%d.yaml", number)
	switch f.IntN(12) {
	case 0:
		delete(f.rules, name)
	case 1:
		f.rules["rules/frames.yaml"] = fmt.Sprintf("frames:\n  b: {}\n  F: {parent: b, translation: [%d, 0]}\n  P: {parent: b, map_server: p.yaml, height: 100}\n", f.IntN(3))
	case 2:
		f.rules["rules/tables.yaml"] = "tables:\n  wards: {file: w.csv, key: id}\n  seen: {source: in, topic: 'hospital/#', key: payload.s}\n"
	case 3:
		f.disk["rules/w.csv"] = fmt.Sprintf("id,ward\nx,W%d\n", f.IntN(3))
	case 4:
		f.disk["rules/p.yaml"] = fmt.Sprintf("resolution: 0.05\norigin: [%d, 0, 0]\n", f.IntN(3))
	case 5:
		f.rules[name] = "rules: {broken: {source: in, route: [{to: nowhere}]}}\n"
	case 6:
		f.rules["rules/k.yaml"] = fmt.Sprintf("tables: {t%d: {source: in, key: payload.s}}\n", f.IntN(2))
	case 7:
		if f.rules[name] == "" {
			return
		}
		f.rules[name] = strings.Replace(f.rules[name], "rules:\n", "# a comment\nrules:\n", 1)
	case 8:
		f.rules[name] = kindsOfRules(f.IntN(6), 0)
	default:
		f.rules[name] = kindsOfRules(number, f.IntN(4)) + f.more()
	}
}

func (f *folder) more() string {
	n := f.IntN(1000)
	return [...]string{
		fmt.Sprintf("  m%d: {source: in, when: payload.f%d == 1 or payload.n == 1, map: {p: 'transform(payload.p, \"%s\", \"b\")'}, route: [{to: dead2}], on_error: {to: dead}}\n", n, n, []string{"F", "P"}[n%2]),
		fmt.Sprintf("  m%d: {source: in, when: payload.n > 0, map: {w: 'wards[payload.s].ward', s: 'payload.s in seen'}, route: [{to: dead2}]}\n", n),
		fmt.Sprintf("  m%d: {source: in, let: {t1: payload.s}, map: {t: t1}, route: [{to: dead2}]}\n", n),
		fmt.Sprintf("  m%d: {source: in, map: {v: '\"${V}\"', p: 'transform(payload.p, \"P\", \"b\")'}, route: [{to: dead2}], on_error: {to: dead}}\n", n),
		fmt.Sprintf("tests:\n  - {name: one, rule: a%d, input: [{topic: hospital/x, payload: {n: 1}}], nothing: true}\n", n%3),
	}[f.IntN(5)]
}

// TestTakingOverChangesNothing: after each of many edits a reload finds the same errors as a load from nothing, or a set
// that does the same.
func TestTakingOverChangesNothing(t *testing.T) {
	took, good := 0, 0
	for seed := range uint64(6) {
		f := &folder{rand.New(rand.NewPCG(seed, 3)), map[string]string{
			"rules/frames.yaml": "frames:\n  b: {}\n  F: {parent: b, translation: [1, 0]}\n  P: {parent: b, map_server: p.yaml, height: 100}\n",
			"rules/tables.yaml": "tables:\n  wards: {file: w.csv, key: id}\n  seen: {source: in, topic: 'hospital/#', key: payload.s}\n",
		}, map[string]string{"rules/p.yaml": "resolution: 0.05\norigin: [0, 0, 0]\n", "rules/w.csv": "id,ward\nx,W\n"}}
		env := testEnv
		variable, works := 0, maps.Clone(f.rules)
		env.Getenv = func(string) (string, bool) { return fmt.Sprint(variable), true }
		env.ReadFile = func(name string) ([]byte, error) {
			if text, ok := f.disk[name]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		}
		for range 60 {
			f.edit()
			variable = f.IntN(2)
			if f.IntN(10) == 0 {
				env.Sinks = map[string]SinkInfo{"nowhere": {}}
				for name, info := range testEnv.Sinks {
					env.Sinks[name] = info
				}
			} else {
				env.Sinks = testEnv.Sinks
			}
			var files []File
			for name, text := range f.rules {
				files = append(files, File{Name: name, Data: []byte(text)})
			}
			fresh := env
			fresh.Previous = nil
			want, wantErrs := Load(files, fresh)
			got, gotErrs := Load(files, env)
			if fmt.Sprint(gotErrs) != fmt.Sprint(wantErrs) {
				t.Fatalf("seed %d: a reload says\n%v\na load\n%v", seed, gotErrs, wantErrs)
			}
			if got == nil {
				if f.IntN(4) > 0 {
					f.rules = maps.Clone(works)
				}
				continue
			}
			works = maps.Clone(f.rules)
			good++
			if got, want := results(t, got), results(t, want); !slices.Equal(got, want) {
				t.Fatalf("seed %d: after a reload\n%s\nafter a load\n%s", seed, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			for i, r := range got.rules {
				if env.Previous != nil && r.when != nil && i < len(env.Previous.rules) && slices.ContainsFunc(env.Previous.rules, func(was *rule) bool { return was.when == r.when }) {
					took++
				}
			}
			if len(got.heritage.paths) > 200 {
				t.Fatalf("%d fields of the payload are read, most for nobody", len(got.heritage.paths))
			}
			env.Previous = got
		}
	}
	if good < 50 || took < 300 {
		t.Errorf("%d good sets, %d rules taken over", good, took)
	}
}

// results are what a program makes of some messages, with rules that keep nothing: those that do go on from one set to the
// next, as they should.
func results(t *testing.T, p *Program) (list []string) {
	t.Helper()
	l := p.newLane()
	for _, payload := range []string{`{"n":1,"s":"x","p":{"x":1,"y":2}}`, `{"n":2,"s":"y","f7":1}`, `{"n":"a"}`, `{"n":0,"s":"x","p":[1,2]}`, `[`} {
		m := &engine.Message{Topic: topic, Key: topic, Payload: []byte(payload), Received: time.UnixMilli(1), Meta: &engine.Meta{Source: "in"}}
		m.Receive(nil)
		l.Process(time.UnixMilli(1_700_000_000_000), m, func(sink string, out *engine.Message) {
			if r := (record{sink, out}).String(); sink != "dead2" || !strings.Contains(payload, r[len("dead2 "):]) {
				list = append(list, r)
			}
			out.Done()
		})
		m.Done()
	}
	for _, r := range p.rules {
		list = append(list, fmt.Sprint(r.name, r.pos, r.topic, len(r.clauses)))
	}
	return list
}
