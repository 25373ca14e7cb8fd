package test

import (
	"testing"

	"edge/internal/brokertest"
)

const toMQTT = `
rules:
  pass:
    source: in
    topic: hospital/{site}/device/{id}/status
    when: payload.dataType == "ROBOT"
    map: {id: payload.id, seq: payload.seq, x: payload.coordinates.x * 2}
    route: [{to: out, topic: "out/{{ params.site }}/{{ out.id }}"}]
`

func TestMQTTToMQTT(t *testing.T) {
	broker := brokertest.StartMosquitto(t, "max_queued_messages 0")
	b := newBox(t, "sources: {in: {mqtt: {url: \""+broker.URL()+"\", client_id: edge}}}\nsinks: {out: {mqtt: {source: in, qos: 1}}}", toMQTT)
	b.start()
	o := newOracle(t, 7)
	o.watch(broker.Addr(), "out/#")
	o.publisher(broker.Addr()).publish(5000)
	o.check(false)
	if book := b.book("pass"); book.Delivered != 5000 || book.InFlight != 0 {
		t.Errorf("book %+v", book)
	}
	b.stop()
}
