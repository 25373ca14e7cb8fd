package main

import (
	"testing"

	"github.com/prometheus/procfs"
)

func TestGiveBackCode(t *testing.T) {
	resident := func() uint64 {
		self, err := procfs.Self()
		if err != nil {
			t.Fatal(err)
		}
		status, err := self.NewStatus()
		if err != nil {
			t.Fatal(err)
		}
		return status.RssFile
	}
	command(t, "", "lint", "../../examples") // which needs much of the program, whatever ran before
	before := resident()
	giveBackCode()
	if after := resident(); after > before*3/4 {
		t.Errorf("%d bytes of the program's file were in memory, and %d are", before, after)
	}
}
