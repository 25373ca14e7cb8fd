package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const diskConfig = wardConfig + "state: {dir: state}\n"

func withDisk(config string) string {
	return strings.Replace(config, "out: {file: {path: out.jsonl}}", "out:\n    file: {path: out.jsonl}\n    buffer: {type: disk}", 1)
}

// keep puts messages in the disk buffer of a sink, as an edge before this one left them: the three of the engine's
// golden file.
func (w *world) keep(folder string) {
	w.Helper()
	files, err := filepath.Glob("../../engine/testdata/disk-v1/s.test/*.log")
	if err != nil || len(files) != 1 {
		w.Fatalf("golden files %v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	w.must(err)
	w.must(os.MkdirAll(w.path("state/buffers/"+folder), 0o700))
	w.must(os.WriteFile(w.path("state/buffers/"+folder+"/"+filepath.Base(files[0])), data, 0o600))
}

func (w *world) delivers(want string) {
	w.Helper()
	w.wait("what was on disk is delivered", func() bool {
		got, _ := os.ReadFile(w.path("out.jsonl"))
		return strings.Contains(string(got), want)
	})
}

// What is on disk at the start is delivered, also when the buffer is to be in memory from now on.
func TestDiskBufferIsDelivered(t *testing.T) {
	for _, config := range []string{diskConfig, withDisk(diskConfig)} {
		w := newWorld(t)
		w.write("edge.yaml", config)
		w.keep("out.file")
		w.start()
		w.delivers(`{"x":1}`)
		if err := w.stop(); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(w.path("state/buffers/out.file/*.log")); len(left) > 0 {
			t.Errorf("left on disk: %v", left)
		}
		w.log = &logBuffer{}
		w.start() // the lock is let go
	}
}

// A buffer whose sink is gone stays, and is shown, until there is one.
func TestDiskBufferWithoutSink(t *testing.T) {
	w := newWorld(t)
	w.write("edge.yaml", diskConfig)
	w.keep("back.file")
	w.keep("out.nats") // of a sink of another kind
	w.start()
	for _, what := range []string{"sink=back kind=file", "sink=out kind=nats"} {
		if !strings.Contains(w.log.String(), what) {
			t.Errorf("the log does not name %s", what)
		}
	}
	_, body := w.get("/v1/config")
	if !strings.Contains(body, `"buffers_without_sink"`) || !strings.Contains(body, `"sink": "back"`) || !strings.Contains(body, `"kind": "nats"`) {
		t.Errorf("/v1/config: %s", body)
	}
	if _, body := w.get("/metrics"); !strings.Contains(body, `edge_buffer_without_sink_bytes{kind="file",sink="back"} `) {
		t.Error("no metric")
	}
	w.write("edge.yaml", diskConfig+"\n")
	w.write("edge.yaml", strings.Replace(diskConfig, "sinks:", "sinks:\n  back: {file: {path: out.jsonl}}", 1))
	w.delivers(`{"x":1}`)
	w.wait("it is shown no more", func() bool { _, body := w.get("/v1/config"); return !strings.Contains(body, `"back"`) })
}

// A folder that cannot be used is an error of edge.yaml: no start, and no reload; lint does not look.
func TestDiskBufferCannotOpen(t *testing.T) {
	w := newWorld(t)
	w.write("state/buffers", "a file where a folder should be")
	w.write("edge.yaml", withDisk(diskConfig))
	err := run(t.Context(), w.options(), w.hup, w.log)
	if err == nil || !strings.Contains(err.Error(), "edge.yaml:7:20: ") || !strings.Contains(err.Error(), "disk buffer") {
		t.Errorf("error %v", err)
	}
	out := &logBuffer{}
	if err := (&linter{stdout: out, paths: paths{stderr: out, config: w.path("edge.yaml")}}).lint([]string{w.path("rules")}); err != nil {
		t.Errorf("lint: %v\n%s", err, out)
	}

	w.write("edge.yaml", diskConfig)
	w.start()
	w.write("edge.yaml", withDisk(diskConfig))
	w.wait("it is refused", func() bool { _, body := w.get("/v1/config"); return strings.Contains(body, "disk buffer") })
	w.must(os.Remove(w.path("state/buffers")))
	w.write("edge.yaml", withDisk(diskConfig)+"\n")
	w.wait("it runs", func() bool {
		_, body := w.get("/metrics")
		return strings.Contains(body, `edge_sink_disk_degraded{sink="out"} 0`)
	})
}

// Two edges on one state.dir would each deliver the half of it.
func TestDiskBufferInUse(t *testing.T) {
	w := newWorld(t)
	w.write("edge.yaml", withDisk(diskConfig))
	w.start()
	err := run(t.Context(), w.options(), nil, &logBuffer{})
	if err == nil || !strings.Contains(err.Error(), "it is in use by another process") {
		t.Errorf("error %v", err)
	}
}
