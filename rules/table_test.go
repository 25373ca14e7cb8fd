package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/engine"
)

// diskOf is a disk with some files.
func diskOf(pairs ...string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return []byte(pairs[i+1]), nil
			}
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
}

func loadWith(t testing.TB, env Env, text string) *Program {
	t.Helper()
	p, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(text)}}, env)
	if err := errs.Err(); err != nil {
		t.Fatalf("load: %v", err)
	}
	return p
}

func envWith(pairs ...string) Env {
	env := testEnv
	env.ReadFile = diskOf(pairs...)
	return env
}

const threeTables = "tables:\n  devices: {file: devices.csv, key: id}\n  wards: {file: ../wards.json}\n  sizes: {file: /etc/sizes.yaml, key: n}\n"

var tableFiles = []string{
	"rules/devices.csv", "\ufeffid,ward,note\r\nr-1,W1,\"a, \"\"b\"\"\"\r\nr-2,W2\r\n7,W7,\r\n",
	"wards.json", `{"W1": {"name": "Surgery", "beds": 9007199254740993}, "W2": "text", "é": [1, 2]}`,
	"/etc/sizes.yaml", "- {n: 7, big: 9007199254740993, f: 0.5, t: yes, l: [1, {a: 2}], at: 2020-01-02}\n- {n: \"7\", big: 1}\n- n: 1.5\n",
}

// TestTableLookups: what an expression gives over three tables, for a message of r-1.
func TestTableLookups(t *testing.T) {
	files := []File{{Name: "rules/a.yaml", Data: []byte(threeTables)}}
	for _, test := range []struct{ expr, want string }{
		{`devices["r-1"].ward`, `"W1"`},
		{`devices["r-1"]`, `{"id":"r-1","ward":"W1","note":"a, \"b\""}`},
		{`devices["r-2"].note`, `""`},
		{`devices[payload.id]?.ward`, `"W1"`},
		{`devices[payload.id].ward`, `"W1"`},
		{`devices["r-9"]?.ward`, `null`},
		{`devices["r-9"].ward.x`, `null`},
		{`devices[payload.none]?.ward`, `null`},
		{`devices[payload.none]?.ward ?? "no"`, `"no"`},
		{`devices["7"].ward`, `"W7"`},
		{`devices[7]`, `null`},
		{`devices[string(payload.seven)].ward`, `"W7"`},
		{`wards.W1.name`, `"Surgery"`},
		{`wards.W1.beds`, `9007199254740993`},
		{`wards.W1.beds + 1`, `9007199254740994`},
		{`wards[devices[payload.id].ward].name`, `"Surgery"`},
		{`wards["é"][1]`, `2`},
		{`wards.W2`, `"text"`},
		{`sizes[7].big`, `9007199254740993`},
		{`sizes[payload.seven].big`, `9007199254740993`},
		{`sizes[7.0].f`, `0.5`},
		{`sizes["7"].big`, `1`},
		{`sizes["7"].f`, `null`},
		{`sizes[7].l[1].a`, `2`},
		{`sizes[7].at`, `"2020-01-02"`},
		{`sizes[1.5].n`, `1.5`},
		{`sizes[-1]`, `null`},
		{`"r-1" in devices`, `true`},
		{`"r-9" in devices`, `false`},
		{`7 in sizes`, `true`},
		{`8 in sizes`, `false`},
		{`not ("r-9" in devices)`, `true`},
		{`"r-9" not in devices`, `true`},
		{`len(devices)`, `3`},
		{`get(devices, "r-2").ward`, `"W2"`},
		{`get(devices, payload.none)`, `null`},
		{`keys(devices)`, `["7","r-1","r-2"]`},
		{`keys(sizes)`, `[1.5,7,"7"]`},
		{`map(values(devices), #.ward)`, `["W7","W1","W2"]`},
		{`filter(keys(devices), devices[#].ward == "W2")`, `["r-2"]`},
		{`devices`, `{"7":{"id":"7","note":"","ward":"W7"},"r-1":{"id":"r-1","note":"a, \"b\"","ward":"W1"},"r-2":{"id":"r-2","note":"","ward":"W2"}}`},
		{`devices == nil`, `false`},
		{`let d = devices[payload.id]; d.ward + d.id`, `"W1r-1"`},
	} {
		got, err := Eval(test.expr, []byte(`{"id":"r-1","seven":7}`), "a", files, envWith(tableFiles...))
		if err != nil || string(got) != test.want {
			t.Errorf("%s\ngot  %s %v\nwant %s", test.expr, got, err, test.want)
		}
	}
	for _, test := range []struct{ expr, want string }{
		{`devices[payload]`, "wrong_type: an object is no key of the table devices"},
		{`payload.none in devices`, "missing_field: "},
		{`devices["r-9"].beds + 1`, "missing_field: "},
		{`device["r-1"]`, "unknown name device, did you mean devices?"},
		{`let devices = 1; devices`, "the name devices is taken"},
		{`devices()`, "unknown function devices"},
	} {
		if _, err := Eval(test.expr, []byte(`{}`), "a", files, envWith(tableFiles...)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\ngot  %v\nwant %s", test.expr, err, test.want)
		}
	}
}

// A condition over a table needs no payload, and finds nothing where a key is missing.
func TestTableInRule(t *testing.T) {
	p := loadWith(t, envWith(tableFiles...), threeTables+head+"    when: devices[params.id].ward == \"W1\" and params.id in devices\n    route:\n      - to: mq\n        topic: ward/{{ devices[params.id].ward }}\n        when: wards[devices[params.id].ward].beds > 5\n")
	expect(t, handle(t, p, topic, "no JSON"), "mq ward/W1 no JSON")
	expect(t, handle(t, p, "hospital/H1/device/r-2/status", "no JSON"))
	expect(t, handle(t, p, "hospital/H1/device/r-9/status", "no JSON"))
	if got := balance(t, p, "r"); got != "in 3 delivered 1 filtered 2 error 0 dropped 0 shadow 0 missing 0 map[]" {
		t.Error(got)
	}
}

func TestTableErrors(t *testing.T) {
	const csvTable = "tables:\n  d: {file: d.csv, key: id}\n"
	const jsonList = "tables:\n  d: {file: d.json, key: id}\n"
	const jsonMap = "tables:\n  d: {file: d.json}\n"
	for _, test := range []struct{ text, data, want string }{
		{csvTable, "", `rules/d.csv:1:1: table "d": the file is empty`},
		{csvTable, "  \n", `rules/d.csv:1:1: table "d": the file is empty`},
		{csvTable, "name,ward\na,b\n", `rules/d.csv:1:1: table "d": there is no column "id" for key:, there are name, ward`},
		{csvTable, "id;ward\na;b\n", `columns are separated by commas`},
		{csvTable, "id,ward\na,1\nb,2\na,3\n", `rules/d.csv:4:1: table "d": the key "a" stands here for the second time, first in line 2`},
		{csvTable, "ward,id\n1,a\n2,a\n", `rules/d.csv:3:3: table "d": the key "a" stands here for the second time, first in line 2`},
		{csvTable, "id,ward\na,1,2\n", `rules/d.csv:2:5: table "d": the row has 3 cells, the header 2`},
		{csvTable, "id,id\na,b\n", `rules/d.csv:1:4: table "d": column "id" stands here for the second time`},
		{csvTable, "id,\na,b\n", `table "d": column 2 has no name`},
		{csvTable, "id,ward\na,\"b\n", `rules/d.csv:2:`},
		{csvTable, "id,w\na,\xff\n", `rules/d.csv:2:3: table "d": this is not UTF-8`},
		{"tables:\n  d: {file: d.csv}\n", "id\na\n", `rules/a.yaml:2:6: table "d": key is missing: name the column`},
		{jsonList, `[{"id": 1}, {"id": 2},` + "\n" + ` {"id": 1.0}]`, `rules/d.json:2:2: table "d": the key 1.0 stands here for the second time, first in line 1`},
		{jsonList, `[{"id": 1}, 5]`, `rules/d.json:1:13: table "d": a row is an object with the key "id", not a number`},
		{jsonList, `[{"ID": 1}]`, `rules/d.json:1:2: table "d": the row has no "id", which is the key`},
		{jsonList, `[{"id": null}]`, `the key "id" is null; it must be text, a number or a boolean`},
		{jsonList, `[{"id": [1]}]`, `the key "id" is a list`},
		{jsonList, `{"a": 1}`, `remove key: id`},
		{jsonList, "[\n{\"id\": 1},\n]", `rules/d.json:3:1: table "d": not JSON: `},
		{jsonMap, `[{"id": 1}]`, `name the field they are looked up by with key:`},
		{jsonMap, `{"a": 1, "b": 2,` + "\n" + ` "a": 3}`, `rules/d.json:2:2: table "d": the key "a" stands here for the second time, first in line 1`},
		{jsonMap, `5`, `a table is a list of rows or a map by key, not a number`},
		{jsonMap, ``, `rules/d.json:1:1: table "d": the file is empty`},
		{"tables:\n  d: {file: d.yaml}\n", "a: 1\na: 2\n", `rules/d.yaml:2:1: key "a" stands here for the second time`},
		{"tables:\n  d: {file: d.yml}\n", "# none\n", `rules/d.yml:1:1: the file is empty`},
		{"tables:\n  d: {file: d.yaml, key: id}\n", "- id: 1\n- id: 1\n", `rules/d.yaml:2:3: table "d": the key 1 stands here for the second time, first in line 1`},
		{"tables:\n  d: {file: d.yaml, key: id}\n", "- id: .inf\n", `rules/d.yaml:1:7: table "d": ".inf" is no number that can be kept`},
		{"tables:\n  d: {file: d.yaml, key: id}\n", "- 5\n", `a row is a mapping with the key "id"`},
		{"tables:\n  d: {file: d.txt, key: id}\n", "x", `rules/a.yaml:2:13: table "d": rules/d.txt: a table is a .csv, .json, .yaml or .yml file`},
		{"tables:\n  d: {file: e.csv, key: id}\n", "", `rules/a.yaml:2:13: table "d": rules/e.csv is not there`},
		{"tables:\n  d: {}\n", "", `a table wants file: (CSV, JSON or YAML) or source:`},
		{"tables:\n  d: {file: d.csv, key: id, ttl: 1m}\n", "id\n", `ttl belongs to a table with source:, not with file:`},
		{"tables:\n  d: {file: d.csv, key: id, source: in}\n", "id\n", `file and source exclude each other`},
		{"tables:\n  d: {file: d.csv, kee: id}\n", "id\n", `unknown key "kee"`},
		{"tables:\n  d: {source: in}\n", "", `key is missing: an expression such as payload.id`},
		{"tables:\n  d: {source: inn, key: payload.id}\n", "", `table "d": no source "inn", did you mean "in"?`},
		{"tables:\n  d: {source: bare, key: payload.id}\n", "", `table "d": topic is missing, and source "bare" has no topics of its own`},
		{"tables:\n  d: {source: local, key: payload.id}\n", "", `table "d": topic is missing: say which of the messages of local it hears`},
		{"tables:\n  d: {source: in, key: paylod.id}\n", "", `rules/a.yaml:2:24: table "d": key: unknown name paylod`},
		{"tables:\n  d: {source: in, key: params.id}\n", "", `table "d": key: unknown param id`},
		{"tables:\n  d: {source: in, key: state.x}\n", "", `table "d": key: state cannot be read here`},
		{"tables:\n  d: {source: in, key: payload.id, ttl: -1s}\n", "", `ttl wants a duration above zero`},
		{"tables:\n  payload: {source: in, key: payload.id}\n", "", `rules/a.yaml:2:3: table: the name payload is taken`},
		{"tables:\n  len: {source: in, key: payload.id}\n", "", `table: the name len is taken`},
		{"tables:\n  a-b: {source: in, key: payload.id}\n", "", `table: "a-b" is no name`},
		{"frames:\n  d: {}\ntables:\n  d: {source: in, key: payload.id}\n", "", `rules/a.yaml:4:3: table "d": the name is taken by the frame at rules/a.yaml:2:3`},
		{csvTable + head + "    let: {d: payload.x}\n    route: [{to: dead}]\n", "id\n", `let: the name d is taken by the table at rules/a.yaml:2:3`},
		{csvTable + head + "    state: {sum: {value: 1}}\n    route: [{to: dead}]\n", "id\n", `state: the name sum is taken`},
		{csvTable + head + "    when: dd.x == 1\n    route: [{to: dead}]\n", "id\n", `unknown name dd, did you mean d?`},
		{csvTable + head + "    route: [{to: dead}]\ntests:\n  - {name: x, input: [{topic: a}], tables: {e: {}}, expect: []}\n", "id\n", `test "x": no table "e"`},
	} {
		text := test.text
		if !strings.Contains(text, "rules:") {
			text += head + "    route: [{to: dead}]\n"
		}
		var disk []string
		for _, name := range []string{"rules/d.csv", "rules/d.json", "rules/d.yaml", "rules/d.yml", "rules/d.txt"} {
			disk = append(disk, name, test.data)
		}
		_, errs := Load([]File{{Name: "rules/a.yaml", Data: []byte(text)}}, envWith(disk...))
		if err := errs.Err(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s%s\ngot  %v\nwant %s", test.text, test.data, err, test.want)
		}
	}
}

func TestTableNamedInTwoFiles(t *testing.T) {
	const text = "tables:\n  d: {source: in, key: payload.id}\n"
	_, errs := Load([]File{{Name: "b.yaml", Data: []byte(text)}, {Name: "a.yaml", Data: []byte(text)}}, testEnv)
	if got := errs.Error(); got != `b.yaml:2:3: table "d" is defined twice, first at a.yaml:2:3` {
		t.Error(got)
	}
}

// Ten errors of a table are enough, and a file that is too long is refused.
func TestTableBounds(t *testing.T) {
	const text = "tables:\n  d: {file: d.csv, key: id}\n"
	_, errs := Load([]File{{Name: "a.yaml", Data: []byte(text)}}, envWith("d.csv", "id\n"+strings.Repeat("a\n", 100)))
	if len(errs) != maxRowErrors {
		t.Errorf("%d errors", len(errs))
	}
	env := testEnv
	env.ReadFile = func(string) ([]byte, error) { return make([]byte, maxTableFile+1), nil }
	if _, errs = Load([]File{{Name: "a.yaml", Data: []byte(text)}}, env); !strings.Contains(errs.Error(), "has more than 64 MiB") {
		t.Error(errs)
	}
	env.ReadFile = func(string) ([]byte, error) { return nil, errors.New("is no regular file") }
	if _, errs = Load([]File{{Name: "a.yaml", Data: []byte(text)}}, env); !strings.Contains(errs.Error(), "d.csv is no regular file") {
		t.Error(errs)
	}
}

// A YAML table may lie among the rules: it is no rule file then.
func TestTableInTheFolderOfRules(t *testing.T) {
	p, errs := Load([]File{
		{Name: "rules/a.yaml", Data: []byte("tables: {d: {file: ./d.yaml, key: id}}\n" + head + "    map: {w: 'd[params.id].ward'}\n    route: [{to: dead}]\n")},
		{Name: "rules/d.yaml", Data: []byte("- {id: r-1, ward: W1}\n")},
	}, testEnv)
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	expect(t, handle(t, p, topic, "{}"), `dead {"w":"W1"}`)
}

const docks = `tables:
  docks: {source: in, topic: "hospital/+/device/{id}/status", when: payload.dataType == "DOCK", key: payload.id, ttl: 10s, max_keys: 2}
  free: {source: [in, local], topic: "hospital/+/device/{id}/status", key: params.id, value: payload.free}
`

// A stream's table is written before the rules see the message that it is written from.
func TestStreamTable(t *testing.T) {
	p := load(t, docks+head+"    map: {n: len(docks), at: 'docks[payload.at]?.x', free: free, mine: 'payload.id in docks'}\n    route: [{to: dead}]\n")
	if got := strings.Join(p.Filters("in"), " "); got != "hospital/+/device/+/status" {
		t.Error(got)
	}
	y := play(t, p)
	send := func(at time.Duration, id, payload string) { y.send(at, "hospital/H1/device/"+id+"/status", payload) }
	send(0, "d-1", `{"dataType":"DOCK","id":"d-1","x":1,"at":"d-1","free":true}`)
	send(1*seconds, "d-2", `{"dataType":"DOCK","id":"d-2","x":2,"at":"d-1","free":null}`)
	send(9*seconds, "d-2", `{"dataType":"DOCK","id":"d-2","x":3,"at":"d-2"}`)
	y.expect(`0s dead {"n":1,"at":1,"free":{"d-1":true},"mine":true}`,
		`1s dead {"n":2,"at":1,"free":{"d-1":true},"mine":true}`,
		`9s dead {"n":2,"at":3,"free":{"d-1":true},"mine":true}`)
	send(9*seconds, "d-1", `{"dataType":"ROBOT","at":"d-1","free":null,"id":"x"}`) // null takes a row out
	send(10*seconds, "r-1", `{"dataType":"ROBOT","at":"d-1","id":"x"}`)            // d-1 is ten seconds old
	send(12*seconds, "r-1", `{"dataType":"ROBOT","at":"d-2","id":"x"}`)            // d-2 was written again
	y.expect(`9s dead {"n":2,"at":1,"free":{},"mine":false}`, `10s dead {"n":1,"at":null,"free":{},"mine":false}`,
		`12s dead {"n":1,"at":3,"free":{},"mine":false}`)
	for _, id := range []string{"a", "b", "c"} {
		send(12*seconds, id, fmt.Sprintf(`{"dataType":"DOCK","id":%q,"x":%q,"at":"a"}`, id, id))
	}
	y.expect(`12s dead {"n":2,"at":"a","free":{},"mine":true}`, `12s dead {"n":2,"at":"a","free":{},"mine":true}`, `12s dead {"n":2,"at":null,"free":{},"mine":true}`)
	send(12*seconds, "a", `{"dataType":"DOCK","x":1,"at":"b"}`)
	send(12*seconds, "a", `{"dataType":"DOCK","id":{},"x":1,"at":"b"}`)
	send(12*seconds, "a", `{"dataType":5,"x":1`)
	var text strings.Builder
	if err := p.WriteTable(&text, "docks", y.now); err != nil || text.String() != "{\n"+`  "b": {"dataType":"DOCK","id":"b","x":"b","at":"a"},`+"\n"+`  "c": {"dataType":"DOCK","id":"c","x":"c","at":"a"}`+"\n}\n" {
		t.Error(text.String(), err)
	}
	text.Reset()
	if err := p.WriteTable(&text, "docks", y.now.Add(time.Minute)); err != nil || text.String() != "{}\n" {
		t.Error(text.String(), err)
	}
	s := p.Tables(y.now)[0]
	if s.Name != "docks" || s.Keys != 2 || s.Writes != 6 || s.Evicted != 2 || fmt.Sprint(s.Errors) != "map[bad_payload:1 null_key:2]" {
		t.Errorf("%+v", s)
	}
	if s = p.Tables(y.now.Add(time.Hour))[0]; s.Keys != 0 || s.Bytes != 0 {
		t.Errorf("%+v", s)
	}
}

// A table stays over a reload while its source, key and value say the same.
func TestReloadKeepsTable(t *testing.T) {
	const rule = head + "    map: {d: 'keys(d)'}\n    route: [{to: dead}]\n"
	before := load(t, "tables: {d: {source: in, topic: 'hospital/#', key: payload.id}}\n"+rule)
	handle(t, before, "hospital/x", `{"id":"a"}`)
	env := testEnv
	env.Previous = before
	same := loadWith(t, env, "tables: {d: {source: in, key: payload.id, when: payload.id != nil, ttl: 1d}}\n"+rule)
	expect(t, handle(t, same, topic, `{"id":"b"}`), `dead {"d":["a","b"]}`)
	if s := same.Tables(time.Now())[0]; s.Writes != 2 {
		t.Errorf("%+v", s)
	}
	env.Previous = same
	other := loadWith(t, env, "tables: {d: {source: in, key: payload.id, value: payload.x}}\n"+rule)
	expect(t, handle(t, other, topic, `{"id":"c","x":1}`), `dead {"d":["c"]}`)

	env = envWith(tableFiles...)
	first := loadWith(t, env, threeTables+head+"    route: [{to: dead}]\n")
	env.Previous = first
	second := loadWith(t, env, threeTables+head+"    route: [{to: dead}]\n")
	if tableNamed(first.tables, "wards").rows != tableNamed(second.tables, "wards").rows {
		t.Error("a file that is the same was read again")
	}
	env.ReadFile = diskOf(append([]string{"wards.json", `{}`}, tableFiles...)...)
	if third := loadWith(t, env, threeTables+head+"    route: [{to: dead}]\n"); len(tableNamed(third.tables, "wards").rows.byKey) != 0 {
		t.Error("a changed file was not read")
	}
}

// Tests give rows of their own.
func TestTableRowsOfATest(t *testing.T) {
	env := envWith()
	rows := func(text string) TableRows {
		var node fileSpec
		var errs = decodeForTest(t, "tests:\n  - name: x\n    input: []\n    tables: "+text+"\n", &node)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		return TableRows{File: "a.yaml", Node: node.Tests[0].Tables, At: time.UnixMilli(1_700_000_000_000)}
	}
	env.Tables = map[string]TableRows{"devices": rows("[{id: r-1, ward: W9}]"), "docks": rows("[{id: d-1, x: 5}]"), "wards": rows("{W9: {name: N}}")}
	p := loadWith(t, env, "tables:\n  devices: {file: devices.csv, key: id}\n  wards: {file: w.json}\n  docks: {source: in, key: payload.id, ttl: 10s}\n"+
		head+"    map: {w: 'wards[devices[params.id].ward].name', d: 'docks[\"d-1\"]?.x'}\n    route: [{to: dead}]\n")
	y := play(t, p)
	y.send(0, topic, `{"id":1}`)
	y.send(10*seconds, topic, `{"id":1}`)
	y.expect(`0s dead {"w":"N","d":5}`, `10s dead {"w":"N","d":null}`)
	env.Tables = map[string]TableRows{"dock": rows("{}")}
	_, errs := Load([]File{{Name: "a.yaml", Data: []byte("tables:\n  docks: {source: in, key: payload.id}\n")}}, env)
	if !strings.Contains(errs.Error(), `no table "dock", did you mean "docks"?`) {
		t.Error(errs)
	}
}

// Lanes look up a table while others write it.
func TestTableOnTwoLanes(t *testing.T) {
	p := load(t, docks+head+"    when: docks[payload.id]?.id == payload.id\n    map: {n: len(docks), f: 'keys(free)'}\n    route: [{to: dead}]\n")
	var done sync.WaitGroup
	for lane := range 2 {
		done.Go(func() {
			l := p.Lane()
			for i := range 500 {
				id := fmt.Sprint("d-", i%3)
				m := &engine.Message{Topic: "hospital/H1/device/" + id + "/status", Payload: fmt.Appendf(nil, `{"dataType":"DOCK","id":%q,"lane":%d,"free":true}`, id, lane), Meta: &engine.Meta{Source: "in"}}
				m.Receive(nil)
				l.Process(time.UnixMilli(int64(i)), m, func(_ string, out *engine.Message) { out.Done() })
				m.Done()
			}
		})
	}
	for range 100 {
		p.Tables(time.UnixMilli(0))
	}
	done.Wait()
	balance(t, p, "r")
	if s := p.Tables(time.UnixMilli(500))[0]; s.Keys != 2 || s.Writes != 1000 {
		t.Errorf("%+v", s)
	}
}
