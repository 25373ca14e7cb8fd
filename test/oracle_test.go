package test

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/eclipse/paho.golang/packets"
)

// An oracle knows what was published and holds what came out of one sink against it: nothing lost, nothing
// unknown, nothing out of order, and nothing twice where that is promised.
type oracle struct {
	t       testing.TB
	devices int
	*ledger
	want func(device, seq int) string       // the output of a message
	tell func(topic string, payload []byte) // what to do with what is seen; by default, note it
	mu   sync.Mutex                         //
	came [][]int                            // by device, the sequence numbers that came out, in order
	seen []map[int]bool                     // and each of them
	n    int                                // how many came
	odd  []string                           // what came and was never wanted
}

// A ledger is what was sent: by device, how many messages the broker has accepted or is just given.
type ledger struct {
	mu   sync.Mutex
	sent []int
}

func newOracle(t testing.TB, devices int) *oracle {
	return (&oracle{t: t, devices: devices, ledger: &ledger{sent: make([]int, devices)}}).twin()
}

// twin is an oracle for another sink that is to get the same messages.
func (o *oracle) twin() *oracle {
	twin := &oracle{t: o.t, devices: o.devices, ledger: o.ledger, want: outputOf, came: make([][]int, o.devices)}
	for range o.devices {
		twin.seen = append(twin.seen, map[int]bool{})
	}
	twin.tell = func(_ string, payload []byte) { twin.saw(payload) }
	return twin
}

// topicOf and payloadOf make message n of a device, outputOf is what the rule of most scenarios makes of it.
func topicOf(device int) string { return fmt.Sprintf("hospital/H1/device/r-%d/status", device) }

func payloadOf(device, n int) string {
	return fmt.Sprintf(`{"dataType":"ROBOT","id":"r-%d","battery":83,"coordinates":{"x":%d,"y":2},"seq":%d}`, device, n, n)
}

func outputOf(device, n int) string {
	return fmt.Sprintf(`{"id":"r-%d","seq":%d,"x":%d}`, device, n, 2*n)
}

// saw notes an output.
func (o *oracle) saw(payload []byte) {
	device, seq, ok := identify(string(payload))
	o.mu.Lock()
	defer o.mu.Unlock()
	if !ok || device < 0 || device >= o.devices || o.want != nil && o.want(device, seq) != string(payload) {
		o.odd = append(o.odd, string(payload))
		return
	}
	o.came[device] = append(o.came[device], seq)
	o.seen[device][seq] = true
	o.n++
}

func identify(payload string) (device, seq int, ok bool) {
	device, err := strconv.Atoi(between(payload, `"id":"r-`, `"`))
	seq, err2 := strconv.Atoi(strings.TrimRight(between(payload+",", `"seq":`, ","), "}]"))
	return device, seq, err == nil && err2 == nil
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

func (o *oracle) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.n
}

// sequence is what came of a device, in order.
func (o *oracle) sequence(device int) []int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.came[device])
}

// published is how many messages were sent, by device and in all.
func (l *ledger) published() (each []int, all int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.sent {
		all += n
	}
	return append(each, l.sent...), all
}

// complete waits until every message has come at least once.
func (o *oracle) complete() {
	o.t.Helper()
	each, all := o.published()
	waitFor(o.t, fmt.Sprintf("all of %d messages came out", all), func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		for device, n := range each {
			if len(o.seen[device]) < n {
				return false
			}
		}
		return true
	})
}

// check judges what came: once each and in order, or, after a crash, at least once with steps back only.
func (o *oracle) check(crashed bool) {
	o.t.Helper()
	o.complete()
	each, all := o.published()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, payload := range o.odd {
		o.t.Errorf("unknown output %.200s", payload)
	}
	twice := 0
	for device, came := range o.came {
		seen := map[int]bool{}
		most := -1
		for _, n := range came {
			if n > most+1 {
				o.t.Errorf("device %d: %d came before %d", device, n, most+1)
			}
			if seen[n] {
				twice++
			} else if n < most {
				o.t.Errorf("device %d: %d came after %d", device, n, most)
			}
			seen[n] = true
			most = max(most, n)
		}
		if len(seen) != each[device] {
			o.t.Errorf("device %d: %d of %d came", device, len(seen), each[device])
		}
	}
	if twice > 0 && !crashed {
		o.t.Errorf("%d came twice", twice)
	}
	o.t.Logf("%d messages published, %d came out, %d of them again", all, o.n, twice)
}

// A publisher speaks MQTT by hand: QoS 1, many on their way at once, and it knows which of them the broker
// has accepted.
type publisher struct {
	o    *oracle
	conn net.Conn
	acks chan error
	most int // on their way at once
	open int
	id   uint16
}

func (o *oracle) publisher(addr string) *publisher {
	o.t.Helper()
	conn := o.dial(addr, "publisher")
	p := &publisher{o: o, conn: conn, acks: make(chan error, 1024), most: 200}
	go func() {
		defer close(p.acks)
		for {
			packet, err := packets.ReadPacket(conn)
			if err != nil {
				p.acks <- err
				return
			}
			if packet.Type == packets.PUBACK {
				p.acks <- nil
			}
		}
	}()
	return p
}

// publish sends n messages, to the devices in turn, and returns when the broker has accepted all.
func (p *publisher) publish(n int) {
	p.o.t.Helper()
	for i := range n {
		for p.open >= p.most {
			p.wait()
		}
		device := i % p.o.devices
		p.o.ledger.mu.Lock()
		seq := p.o.sent[device]
		p.o.sent[device]++
		p.o.ledger.mu.Unlock()
		p.id = p.id%60000 + 1
		packet := &packets.Publish{Topic: topicOf(device), QoS: 1, PacketID: p.id, Payload: []byte(payloadOf(device, seq)), Properties: &packets.Properties{}}
		if _, err := packet.WriteTo(p.conn); err != nil {
			p.o.t.Errorf("publish: %v", err)
			return
		}
		p.open++
	}
	for p.open > 0 {
		p.wait()
	}
}

// background publishes while the test goes on; done is closed when the broker has accepted all.
func (p *publisher) background(n int) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		p.publish(n)
	}()
	p.o.t.Cleanup(func() { // of a test that has failed meanwhile: it must not outlive it
		p.conn.Close()
		<-done
	})
	return done
}

func (p *publisher) wait() {
	p.o.t.Helper()
	p.open--
	if err, more := <-p.acks; err != nil || !more {
		p.o.t.Errorf("the broker hangs up on the publisher: %v", err)
		p.open = 0
	}
}

// watch notes all that comes on a topic filter of the broker, until the test ends.
func (o *oracle) watch(addr, filter string) {
	o.t.Helper()
	conn := o.dial(addr, "watcher")
	subscribe := packets.NewControlPacket(packets.SUBSCRIBE)
	content := subscribe.Content.(*packets.Subscribe)
	content.PacketID, content.Subscriptions = 1, []packets.SubOptions{{Topic: filter}}
	if _, err := subscribe.WriteTo(conn); err != nil {
		o.t.Fatal(err)
	}
	if _, err := packets.ReadPacket(conn); err != nil { // SUBACK
		o.t.Fatal(err)
	}
	go func() {
		for {
			packet, err := packets.ReadPacket(conn)
			if err != nil {
				return // the test has ended, or the broker has
			}
			if publish, ok := packet.Content.(*packets.Publish); ok {
				o.tell(publish.Topic, publish.Payload)
			}
		}
	}()
}

// dial connects by hand, with a session that ends with the connection.
func (o *oracle) dial(addr, name string) net.Conn {
	o.t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { conn.Close() })
	connect := packets.NewControlPacket(packets.CONNECT)
	content := connect.Content.(*packets.Connect)
	content.ClientID, content.CleanStart, content.KeepAlive = fmt.Sprintf("%s-%p", name, conn), true, 300
	content.ProtocolName, content.ProtocolVersion = "MQTT", 5
	if _, err := connect.WriteTo(conn); err != nil {
		o.t.Fatal(err)
	}
	if _, err := packets.ReadPacket(conn); err != nil { // CONNACK
		o.t.Fatal(err)
	}
	return conn
}
