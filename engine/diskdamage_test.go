package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edge/engine"
)

// twoSegments is a buffer with two files of n messages each, which are numbered from 1.
func twoSegments(t *testing.T, n int) *model {
	t.Helper()
	fs := newModel(1)
	for half := range 2 {
		b := engine.NewBuffers("/buffers", quiet).On(fs)
		lifeOn(t, b, to("s"), one("s", onDisk(t, b, &sink{accept: refuse(errAway)}, engine.Buffer{})), func(e *engine.Engine, f *feed) {
			for i := range n {
				f.send("topic", fmt.Sprint(half*n+i+1))
			}
			allSettled(t, f, n)
		})
	}
	for _, position := range fs.names("position-a") {
		delete(fs.files, position)
	}
	equal(t, "segments", len(fs.names(".log")), 2)
	return fs.clone()
}

// drain delivers all that is on fs.
func drain(t *testing.T, fs *model) (got []string, st engine.DiskStats) {
	t.Helper()
	b := engine.NewBuffers("/buffers", quiet).On(fs)
	s := &sink{}
	lifeOn(t, b, to("s"), one("s", onDisk(t, b, s, engine.Buffer{})), func(e *engine.Engine, f *feed) {
		pass(time.Second)
		st = e.Stats().Sinks["s"].Disk
	})
	equal(t, "left", st.Messages, 0)
	return s.all(), st
}

func without(all []string, gone ...string) (rest []string) {
	for _, one := range all {
		if !slices.Contains(gone, one) {
			rest = append(rest, one)
		}
	}
	return rest
}

// Whatever byte is damaged, and how: it opens, loses the record that the byte is in and no other, and counts it.
func TestDiskDamage(t *testing.T) {
	const n = 4
	bubbled(t, func(t *testing.T) {
		whole := twoSegments(t, n)
		all := numbers(1, 2*n)
		got, _ := drain(t, whole.clone())
		equal(t, "whole", got, all)
		for part, name := range whole.names(".log") {
			data := whole.files[name].data
			size := (len(data) - 16) / n
			for at := range data {
				for _, to := range []byte{data[at] ^ 1, data[at] ^ 0x80, 0} {
					if to == data[at] {
						continue
					}
					fs := whole.clone()
					fs.files[name].data[at] = to
					got, st := drain(t, fs)
					want, lost := all, 0
					if at >= 16 {
						hit := part*n + (at-16)/size + 1
						want = without(all, fmt.Sprint(hit))
						if hit < 2*n { // at the very end it may be a torn write
							lost = 1
						}
					}
					equal(t, fmt.Sprint("got, damaged at ", at, " of ", name), got, want)
					equal(t, fmt.Sprint("lost, damaged at ", at, " of ", name), int(st.Damaged), lost)
					if t.Failed() {
						return
					}
				}
			}
		}
	})
}

// A write that was torn at any byte leaves what is before it, and what comes after the restart is whole.
func TestDiskTorn(t *testing.T) {
	const n = 4
	bubbled(t, func(t *testing.T) {
		whole := twoSegments(t, n)
		name := whole.names(".log")[1]
		data := whole.files[name].data
		size := (len(data) - 16) / n
		for cut := range data {
			for _, tail := range []string{"", "\x00\x00\x00\x00\x00\x00\x00\x00", strings.Repeat("garbage", 100), string(data[16 : 16+size/2])} {
				fs := whole.clone()
				fs.files[name].data = append(slices.Clone(data[:cut]), tail...)
				want := numbers(1, n+max(0, cut-16)/size)
				b := engine.NewBuffers("/buffers", quiet).On(fs)
				s := &sink{accept: refuse(errAway)}
				lifeOn(t, b, to("s"), one("s", onDisk(t, b, s, engine.Buffer{})), func(e *engine.Engine, f *feed) {
					f.send("topic", "new")
					allSettled(t, f, 1)
				})
				got, st := drain(t, fs)
				equal(t, fmt.Sprint("got, cut at ", cut), got, append(want, "new"))
				equal(t, fmt.Sprint("damaged, cut at ", cut), st.Damaged, 0)
				if t.Failed() {
					return
				}
			}
		}
		// In a segment that is not the last it is damage, and counted.
		name = whole.names(".log")[0]
		for cut := range whole.files[name].data {
			fs := whole.clone()
			fs.files[name].data = fs.files[name].data[:cut]
			kept := max(0, cut-16) / size
			got, st := drain(t, fs)
			equal(t, fmt.Sprint("got, cut at ", cut), got, append(numbers(1, kept), numbers(n+1, 2*n)...))
			equal(t, fmt.Sprint("damaged, cut at ", cut), int(st.Damaged), n-kept)
		}
	})
}

// Of the two files of the position either may be damaged, at any byte: what was delivered may come again, and
// nothing is lost.
func TestDiskDamagedPosition(t *testing.T) {
	bubbled(t, func(t *testing.T) {
		fs := newModel(1)
		for take := range 3 {
			b := engine.NewBuffers("/buffers", quiet).On(fs)
			s := &sink{}
			left := 2 * take
			s.accept = func(_ context.Context, m *engine.Message) error {
				if left--; left < 0 {
					return errAway
				}
				return nil
			}
			lifeOn(t, b, to("s"), one("s", onDisk(t, b, s, engine.Buffer{})), func(e *engine.Engine, f *feed) {
				for i := 1; i <= 10 && take == 0; i++ {
					f.send("topic", fmt.Sprint(i))
				}
				pass(3 * time.Second)
			})
		}
		positions := fs.names("position-a")
		positions = append(positions, fs.names("position-b")...)
		equal(t, "positions", len(positions), 2)
		for _, name := range positions {
			for at := range 48 {
				one := fs.clone()
				one.files[name].data[at] ^= 0x10
				got, _ := drain(t, one)
				if len(got) < 4 || got[len(got)-1] != "10" {
					t.Errorf("damaged at %d of %s: got %v", at, name, got)
				}
			}
		}
		for _, name := range positions {
			delete(fs.files, name)
		}
		got, st := drain(t, fs)
		equal(t, "without", got, numbers(1, 10))
		equal(t, "damaged", st.Damaged, 0)
	})
}

// A buffer of a newer edge is refused, with its name, and left as it is.
func TestDiskNewer(t *testing.T) {
	bubbled(t, func(t *testing.T) {
		fs := twoSegments(t, 3)
		name := fs.names(".log")[1]
		header := fs.files[name].data[:16]
		header[7] = 2
		binary.LittleEndian.PutUint32(header[12:], crc32.Checksum(header[:12], crc32.MakeTable(crc32.Castagnoli)))
		before := slices.Clone(fs.files[name].data)
		_, err := engine.NewBuffers("/buffers", quiet).On(fs).Open("s", "test")
		if err == nil || !strings.Contains(err.Error(), name+" was written by a newer edge (version 2, this one reads up to 1)") {
			t.Errorf("error %v", err)
		}
		if !bytes.Equal(fs.files[name].data, before) {
			t.Error("it was changed")
		}
	})
}

// golden is the messages of testdata/disk-v1, as version 1 wrote them.
func golden() []*engine.Message {
	at := time.UnixMilli(1795394700682)
	root := &engine.Message{Topic: "hospital/H1/device/r-1/status", Key: "r-1", Payload: []byte(`{"id":"r-1"}`), Received: at,
		Meta: &engine.Meta{Source: "hospital", QoS: 1, Retain: true, Redelivered: true, ContentType: "application/json", ResponseTopic: "answers",
			CorrelationData: []byte{0, 255}, Properties: []engine.Header{{Name: "floor", Value: "F3"}, {Name: "", Value: ""}}}}
	root.Receive(nil)
	made := &engine.Message{Topic: root.Topic, Address: "map/F3/r-1", ID: "1.a", Key: "r-1", Payload: []byte(`{"x":1}`), Received: at,
		Headers: []engine.Header{{Name: "Content-Type", Value: "application/json"}}}
	made.From(root, &keeper{name: "rule/robot_pose"})
	passed := &engine.Message{Topic: root.Topic, Key: "r-1", Payload: root.Payload, Received: at}
	passed.From(root, &keeper{name: "rule/pass"})
	bare := &engine.Message{}
	bare.Receive(nil)
	return []*engine.Message{made, passed, bare}
}

func TestDiskGolden(t *testing.T) {
	const salt = 0x5f3a9c01
	at := time.UnixMilli(1795394700683)
	name, data := engine.SegmentFile(7, salt)
	for i, m := range golden() {
		data = append(data, engine.Record(salt, uint64(i+7), at, m)...)
	}
	folder := filepath.Join("testdata", "disk-v1", "s.test")
	if os.Getenv("WRITE_GOLDEN") != "" { // once for each version
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, data) {
		t.Error("what is written is not what version 1 wrote: that needs a new version")
	}
	bubbled(t, func(t *testing.T) {
		fs := newModel(1)
		fs.files["/buffers/s.test/"+name] = &node{data: kept, durable: kept}
		var got []string
		s := &sink{accept: func(_ context.Context, m *engine.Message) error {
			root := m.Root()
			got = append(got, fmt.Sprintf("%q %q %q %q %q %q %d | %q %q %d %+v", m.Topic, m.Address, m.ID, m.Key, m.Payload, m.Headers, unix(m.Received),
				root.Topic, root.Payload, unix(root.Received), root.Meta))
			return nil
		}}
		b := engine.NewBuffers("/buffers", quiet).On(fs)
		lifeOn(t, b, to("s"), one("s", onDisk(t, b, s, engine.Buffer{})), func(*engine.Engine, *feed) { pass(time.Second) })
		var want []string
		for _, m := range golden() {
			root := m.Root()
			want = append(want, fmt.Sprintf("%q %q %q %q %q %q %d | %q %q %d %+v", m.Topic, m.Address, m.ID, m.Key, m.Payload, m.Headers, unix(m.Received),
				root.Topic, root.Payload, unix(root.Received), root.Meta))
		}
		equal(t, "read", got, want)
	})
}

func unix(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixNano()
}

// FuzzDisk reads any bytes between good records: it ends, settles everything, and finds the good one before.
func FuzzDisk(f *testing.F) {
	const salt = 0x5f3a9c01
	at := time.UnixMilli(1795394700683)
	good := engine.Record(salt, 1, at, golden()[0])
	f.Add([]byte("garbage"), good[24:])
	f.Add(good[:30], []byte{})
	f.Fuzz(func(t *testing.T, raw, body []byte) {
		synctest.Test(t, func(t *testing.T) {
			name, data := engine.SegmentFile(1, salt)
			data = append(append(data, good...), raw...)
			data = append(data, engine.RawRecord(salt, 2, body)...)
			data = append(data, engine.Record(salt, 3, at, golden()[2])...)
			fs := newModel(1)
			fs.files["/buffers/s.test/"+name] = &node{data: data, durable: data}
			got, _ := drain(t, fs)
			if len(got) == 0 || got[0] != `{"x":1}` {
				t.Errorf("got %q", got)
			}
		})
	})
}
