package main

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
)

const tableRules = `
tables:
  beds: {file: ../beds.csv, key: id}
  docks: {source: ward, key: payload.id}
` + oneRule

// rows asks the API for a table.
func (w *world) rows(name string) string {
	w.Helper()
	_, body := w.get("/v1/tables/" + name)
	var rows map[string]map[string]string
	w.must(json.Unmarshal([]byte(body), &rows))
	var text []string
	for _, id := range []string{"a", "b"} {
		if row, ok := rows[id]; ok {
			text = append(text, id+" "+row["ward"])
		}
	}
	return strings.Join(text, ", ")
}

// A table's file is watched like a rule; a bad new version keeps the old one, and says where it is wrong.
func TestTableReloads(t *testing.T) {
	w := newWorld(t)
	w.write("edge.yaml", wardConfig+"state: {dir: data}\n")
	w.write("beds.csv", "id,ward\na,W1\n")
	w.write("rules/warm.yaml", tableRules)
	w.start()
	if got := w.rows("beds"); got != "a W1" {
		t.Error(got)
	}
	first := w.config()
	if len(first.Files) != 3 || !strings.HasSuffix(first.Files[2], "beds.csv") {
		t.Errorf("files %v", first.Files)
	}
	w.write("beds.csv", "id,ward\na,W2\nb,W3\n")
	w.wait("the new rows", func() bool { return w.rows("beds") == "a W2, b W3" })
	w.wait("the table is among what changed", func() bool {
		return strings.Contains(w.log.String(), "files_changed=") && w.config().Hash != first.Hash
	})
	w.write("beds.csv", "id,ward\na,W2\na,W3\n")
	w.wait("the error is shown", func() bool { return w.config().Error != nil })
	e := w.config().Error.Errors[0]
	if !strings.HasSuffix(e.File, "beds.csv") || e.Line != 3 || e.Column != 1 || !strings.Contains(e.Message, `the key "a" stands here for the second time`) {
		t.Errorf("%+v", e)
	}
	if got := w.rows("beds"); got != "a W2, b W3" {
		t.Error(got)
	}
	w.must(w.stop())
	w.log = &logBuffer{}
	w.start() // with the last good rows
	if got := w.rows("beds"); got != "a W2, b W3" || w.config().Error == nil {
		t.Error(got)
	}
	w.must(os.Remove(w.path("beds.csv")))
	w.wait("it is missed", func() bool {
		e := w.config().Error
		return e != nil && strings.Contains(e.Errors[0].Message, "beds.csv is not there")
	})
	w.write("beds.csv", "id,ward\nb,W9\n")
	w.wait("mended rows", func() bool { return w.config().Error == nil && w.rows("beds") == "b W9" })
}

func TestTableAPI(t *testing.T) {
	w := newWorld(t)
	w.write("beds.csv", "id,ward\na,W1\n")
	w.write("rules/warm.yaml", tableRules)
	w.start()
	for _, c := range []struct {
		path, want string
		code       int
	}{
		{"/v1/tables/beds", "{\n  \"a\": {\"id\":\"a\",\"ward\":\"W1\"}\n}\n", http.StatusOK},
		{"/v1/tables/docks", "{}\n", http.StatusOK},
		{"/v1/tables/bets", `"no table \"bets\""`, http.StatusNotFound},
		{"/v1/tables/bets", "\"beds\",\n    \"docks\"", http.StatusNotFound},
		{"/v1/tables", `"name": "beds"`, http.StatusOK},
		{"/v1/tables", `"keys": 1`, http.StatusOK},
		{"/metrics", `edge_table_keys{table="beds"} 1`, http.StatusOK},
		{"/metrics", `edge_table_writes_total{table="docks"} 0`, http.StatusOK},
	} {
		if code, body := w.get(c.path); code != c.code || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", c.path, code, body)
		}
	}
}

func TestLintAndEvalReadTables(t *testing.T) {
	w := newWorld(t)
	w.write("rules/warm.yaml", tableRules)
	w.write("beds.csv", "id,ward\na,W1\n")
	if code, out, _ := command(t, "", "lint", w.path("rules")); code != 0 {
		t.Error(out)
	}
	if code, out, stderr := command(t, `{"id":"a"}`, "eval", "-r", w.path("rules"), "beds[payload.id].ward"); code != 0 || out != "\"W1\"\n" {
		t.Error(out, stderr)
	}
	w.must(os.Remove(w.path("beds.csv")))
	if code, out, _ := command(t, "", "lint", w.path("rules")); code != 1 || !strings.Contains(out, "warm.yaml:3:16: table \"beds\": ") || !strings.Contains(out, "beds.csv is not there") {
		t.Error(code, out)
	}
	if code, _, stderr := command(t, `{}`, "eval", "-r", w.path("rules"), "1"); code != 1 || !strings.Contains(stderr, "beds.csv is not there") {
		t.Error(code, stderr)
	}
}

// So is a map that a frame names, and the picture that it names.
func TestMapReloads(t *testing.T) {
	w := newWorld(t)
	w.write("rules/maps/f3.yaml", "image: f3.pgm\nresolution: 0.05\norigin: [0, 0, 0]\n")
	w.write("rules/maps/f3.pgm", "P5 400 200 255\n")
	w.write("rules/warm.yaml", "frames:\n  map: {}\n  picture: {parent: map, map_server: maps/f3.yaml}\n"+oneRule)
	w.start()
	first := w.config()
	if text := strings.Join(first.Files, " "); !strings.Contains(text, "f3.yaml") || !strings.Contains(text, "f3.pgm") {
		t.Errorf("files %v", first.Files)
	}
	w.write("rules/maps/f3.yaml", "image: f3.pgm\nresolution: 0.1\norigin: [0, 0, 0]\n")
	w.wait("the new map", func() bool { return w.config().Hash != first.Hash })
	w.write("rules/maps/f3.pgm", "GIF89a")
	w.wait("the error is shown", func() bool { return w.config().Error != nil })
	if e := w.config().Error.Errors[0]; !strings.HasSuffix(e.File, "f3.yaml") || e.Line != 1 || e.Column != 8 || !strings.Contains(e.Message, "is neither PNG nor PGM") {
		t.Errorf("%+v", e)
	}
	w.write("rules/maps/f3.pgm", "P5 400 300 255\n")
	w.wait("it is mended", func() bool { return w.config().Error == nil })
}

// A zone's file is watched like a rule.
func TestZoneReloads(t *testing.T) {
	const ring = `{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], `
	w := newWorld(t)
	w.write("edge.yaml", wardConfig+"state: {dir: data}\n")
	w.write("campus.geojson", ring+"[0, 0]]]}")
	w.write("rules/warm.yaml", "zones: {campus: {file: ../campus.geojson}}\n"+oneRule)
	w.start()
	first := w.config()
	if len(first.Files) != 3 || !strings.HasSuffix(first.Files[2], "campus.geojson") {
		t.Errorf("files %v", first.Files)
	}
	w.write("campus.geojson", ring+"\n[0, 91]]]}")
	w.wait("the error is shown", func() bool { return w.config().Error != nil })
	if e := w.config().Error.Errors[0]; !strings.HasSuffix(e.File, "campus.geojson") || e.Line != 2 || e.Column != 1 || !strings.Contains(e.Message, "lat 91 is outside -90..90") {
		t.Errorf("%+v", e)
	}
	w.write("campus.geojson", ring+"[0, 1], [0, 0]]]}")
	w.wait("the new zone", func() bool { return w.config().Error == nil && w.config().Hash != first.Hash })
	w.must(w.stop())
}
