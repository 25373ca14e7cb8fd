package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"edge/internal/cputimetest"
)

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// folderOf writes rules to a number of files, as a site of many devices has them.
func folderOf(b *testing.B, files, each int) (dir string) {
	dir = b.TempDir()
	save(b, filepath.Join(dir, "edge.yaml"), wardConfig)
	if err := os.Mkdir(filepath.Join(dir, "rules"), 0o755); err != nil {
		b.Fatal(err)
	}
	for i := range files {
		save(b, filepath.Join(dir, "rules", fmt.Sprintf("f%03d.yaml", i)), fileOf(i, each, 20))
	}
	return dir
}

func save(b *testing.B, name, text string) {
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
}

func fileOf(file, rules, below int) string {
	var text strings.Builder
	text.WriteString("rules:\n")
	for i := range rules {
		fmt.Fprintf(&text, `  low_%d_%d:
    description: The battery of one device is low
    source: ward
    topic: ward/{site}/device/{id}/status
    when: payload.id == "r-%d-%d" and payload.battery < %d
    map: {id: payload.id, battery: payload.battery, site: params.site, at: payload.ts}
    route: [{to: out}]
`, file, i, file, i, below)
	}
	return text.String()
}

// BenchmarkLoad: 10,000 rules in 100 files.
func BenchmarkLoad(b *testing.B) {
	dir := folderOf(b, 100, 100)
	before := heapInUse()
	log := slog.New(slog.DiscardHandler)
	var loaded *set
	b.ReportAllocs()
	stop := cputimetest.Start(b)
	for b.Loop() {
		loaded = loadFrom(b, dir, nil, log)
	}
	stop()
	b.ReportMetric(float64(heapInUse()-before)/10_000, "B/rule")
	runtime.KeepAlive(loaded)
}

// BenchmarkReload: one of 100 files is another.
func BenchmarkReload(b *testing.B) {
	dir := folderOf(b, 100, 100)
	log := slog.New(slog.DiscardHandler)
	loaded := loadFrom(b, dir, nil, log)
	b.ReportAllocs()
	stop := cputimetest.Start(b)
	n := 0
	for b.Loop() {
		n++
		save(b, filepath.Join(dir, "rules", "f042.yaml"), fileOf(42, 100, 20+n))
		loaded = loadFrom(b, dir, loaded, log)
		loaded.program.Lane()
	}
	stop()
}

func loadFrom(b *testing.B, dir string, before *set, log *slog.Logger) *set {
	f := readFiles(filepath.Join(dir, "edge.yaml"), filepath.Join(dir, "rules"))
	loaded, _, errs := load(&f, before, &state{}, log)
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	return loaded
}
