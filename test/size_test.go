package test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestSizes: what an edge box has to give. Neither figure is a matter of how fast the machine is.
func TestSizes(t *testing.T) {
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	mib := float64(info.Size()) / (1 << 20)
	t.Logf("the stripped binary has %.1f MiB", mib)
	if mib > 22 {
		t.Errorf("the stripped binary has %.1f MiB, at most 22 are promised", mib)
	}
	if file, err := elf.Open(binary); err == nil {
		defer file.Close()
		if libraries, err := file.ImportedLibraries(); err == nil && len(libraries) > 0 {
			t.Errorf("the binary is not static: it wants %v", libraries)
		}
	}

	broker := mosquitto(t)
	b := newBox(t, toSource(broker.URL()), rule(toOut))
	b.env = []string{"GOMAXPROCS="} // that of the tests decides nothing here
	b.start()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("memory is read from /proc, which this system has not")
	}
	b.until("idle it takes at most 15 MiB", func() bool { // what only the start needed goes back after it
		status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(b.cmd.Process.Pid), "status"))
		if err != nil {
			t.Fatal(err)
		}
		kib, err := strconv.Atoi(strings.Fields(between(string(status), "VmRSS:", "\n"))[0])
		if err != nil {
			t.Fatal(err)
		}
		mib = float64(kib) / 1024
		return mib <= 15
	})
	t.Logf("idle it takes %.1f MiB", mib)
	b.until("it uses one processor", func() bool { return b.metric("go_sched_gomaxprocs_threads") == 1 })
	b.stop()
}
