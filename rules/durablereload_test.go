package rules

import (
	"strings"
	"testing"
)

// TestDurableReload: a rule becomes durable with what it has, and stops being so.
func TestDurableReload(t *testing.T) {
	volatile := strings.Replace(tallying, "    durable: true\n", "", 1)
	m := newMachine(t, volatile)
	m.send(topic, `{"k":"a","id":1}`)
	m.send(topic, `{"k":"b","id":1}`)
	m.expects(`dead {"k":"a","id":1,"n":1}`, `dead {"k":"b","id":1,"n":1}`)
	m.load(tallying)
	m.store.commit()
	m.crash()
	m.send(topic, `{"k":"a","id":2}`)
	m.send(topic, `{"k":"b","id":1}`)
	m.expects(`dead {"k":"a","id":2,"n":2}`)
	m.send(topic, `{"k":"a","id":3}`)
	m.load(volatile) // with a message that is held
	m.expects(`dead {"k":"a","id":3,"n":3}`)
	m.send(topic, `{"k":"a","id":4}`)
	m.load(tallying)
	m.expects(`dead {"k":"a","id":4,"n":4}`)
	m.crash()
	m.send(topic, `{"k":"a","id":5}`)
	m.expects(`dead {"k":"a","id":5,"n":5}`)
	m.load(volatile)
	m.store.commit()
	m.crash()
	m.load(tallying)
	m.send(topic, `{"k":"a","id":6}`)
	m.expects(`dead {"k":"a","id":6,"n":1}`)
}

// TestDurableGone: the state of a rule that is gone stays until the file is compacted.
func TestDurableGone(t *testing.T) {
	other := strings.Replace(tallying, "  r:\n", "  other:\n", 1)
	if other == tallying {
		t.Fatal("the rule has another name")
	}
	m := newMachine(t, tallying)
	m.send(topic, `{"k":"a","id":1}`)
	m.expects(`dead {"k":"a","id":1,"n":1}`)
	m.load(other)
	if !strings.Contains(m.said.String(), "stays on disk") {
		t.Errorf("said %s", m.said.String())
	}
	m.crash()
	m.load(tallying)
	m.send(topic, `{"k":"a","id":2}`)
	m.expects(`dead {"k":"a","id":2,"n":2}`)
	m.load(other)
	m.store.commit()
	m.store.compact()
	<-m.store.compacted
	m.store.finishCompaction()
	m.crash()
	m.load(tallying)
	m.send(topic, `{"k":"a","id":3}`)
	m.expects(`dead {"k":"a","id":3,"n":1}`)
}

// TestDurableOtherOperators: what a changed rule has no use for is dropped, the rest is kept.
func TestDurableOtherOperators(t *testing.T) {
	m := newMachine(t, tallying)
	m.send(topic, `{"k":"a","id":1}`)
	m.expects(`dead {"k":"a","id":1,"n":1}`)
	m.text = strings.Replace(tallying, "by: payload.id", "by: payload.other", 1)
	m.crash()
	if !strings.Contains(m.said.String(), "does not have any more is dropped") {
		t.Errorf("said %s", m.said.String())
	}
	m.store.commit()
	m.text = tallying
	m.crash()
	m.send(topic, `{"k":"a","id":1}`)
	m.expects(`dead {"k":"a","id":1,"n":2}`)
}
