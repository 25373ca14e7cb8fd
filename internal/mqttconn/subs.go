package mqttconn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

// subscriptions are the filters that we want and those that the broker has.
type subscriptions struct {
	qos    byte
	wanted []string        // in order, none covered by another
	have   map[string]bool // granted in this session
	asked  map[string]bool // to be granted or dropped, on this connection
	failed map[string]bool // refused; asked for again at the next tick
	err    error           // why one was refused

	answers map[uint16]chan<- packets.ControlPacket // where paho waits, by packet id

	// By Subscription Identifier, the filters wanted or held; true for one that shares topics with another,
	// so that a message may come once for each.
	numbers map[uint32]bool
	dropped bool            // some were given up since the numbers were made
	strange map[uint32]bool // identifiers of none of them, looked into already
	noID    bool            // the broker knows no identifiers
}

func (s *subscriptions) init() {
	s.have = map[string]bool{}
	s.asked = map[string]bool{}
	s.answers = map[uint16]chan<- packets.ControlPacket{}
	s.failed = map[string]bool{}
	s.strange = map[uint32]bool{}
}

// complete says whether the broker has all that is wanted.
func (s *subscriptions) complete() bool {
	return !slices.ContainsFunc(s.wanted, func(f string) bool { return !s.have[f] })
}

// Subscribe replaces the set of topic filters. Without a connection it takes effect with the next one.
// The difference alone is sent; a filter is given up only when all new ones are granted, so that no
// message falls between. Of filters that cover each other the widest alone is subscribed to.
func (c *Conn) Subscribe(filters []string, qos byte) error {
	var errs []error
	for _, f := range filters {
		if err := CheckFilter(f); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := cover(filters)
	if slices.Equal(wanted, c.subs.wanted) && qos == c.subs.qos {
		return nil
	}
	c.subs.wanted, c.subs.qos, c.subs.err = wanted, qos, nil
	clear(c.subs.failed)
	c.index()
	c.reconcile()
	return nil
}

// index finds out which filters share topics. What was counted under the old set says nothing about the
// new one.
func (c *Conn) index() {
	s := &c.subs
	s.numbers = make(map[uint32]bool, len(s.wanted))
	type numbered struct {
		id   uint32
		base string
	}
	var all, wild []numbered
	add := func(f string) {
		_, base := splitShare(f)
		n := numbered{subscriptionID(f), base}
		if _, known := s.numbers[n.id]; known {
			return
		}
		s.numbers[n.id] = false
		others := wild // a filter without wildcards shares its topic with none of its like
		if strings.ContainsAny(base, "+#") {
			others = all
			wild = append(wild, n)
		}
		for _, o := range others {
			if overlaps(o.base, base) {
				s.numbers[n.id], s.numbers[o.id] = true, true
			}
		}
		all = append(all, n)
	}
	for _, f := range s.wanted {
		add(f)
	}
	for f := range s.have {
		add(f)
	}
	c.in.copies.clear()
}

// resume prepares for a new connection.
func (s *subscriptions) resume(present, noID bool) {
	clear(s.asked) // whether they were granted is not known: they are asked again
	clear(s.failed)
	s.err, s.noID = nil, noID
	if !present {
		clear(s.have)
		clear(s.strange)
	}
}

// reconcile asks the broker for what is wanted and not there, and then to drop what is there and not
// wanted.
func (c *Conn) reconcile() {
	l, s := c.link, &c.subs
	if l == nil || l.leaving || c.manager == nil {
		return
	}
	ask := func(f string, add bool) {
		s.asked[f] = true
		m, qos, noID := c.manager, s.qos, s.noID
		c.work.Go(func() { c.ask(l, m, f, add, qos, noID) })
	}
	keep := map[string]bool{}
	for _, f := range s.wanted {
		keep[f] = true
		if !s.failed[f] && !s.have[f] && !s.asked[f] {
			ask(f, true)
		}
	}
	if s.complete() {
		for f := range s.have {
			if !keep[f] && !s.asked[f] {
				ask(f, false)
			}
		}
	}
}

// ask makes one request, when it is its turn, and waits for the answer, at the longest until l ends. Each
// filter has a packet of its own because a Subscription Identifier holds for a whole packet.
func (c *Conn) ask(l *link, m *autopaho.ConnectionManager, filter string, add bool, qos byte, noID bool) {
	l.asking <- struct{}{}
	defer func() { <-l.asking }()
	c.mu.Lock()
	over := c.link != l || l.leaving
	c.mu.Unlock()
	if over {
		return
	}
	var err error
	if add {
		qos, err = subscribe(m, filter, qos, noID)
	} else {
		_, err = m.Unsubscribe(context.Background(), &paho.Unsubscribe{Topics: []string{filter}})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == l {
		c.granted(filter, add, qos, err)
	}
}

func subscribe(m *autopaho.ConnectionManager, filter string, qos byte, noID bool) (granted byte, err error) {
	group, _ := splitShare(filter)
	p := &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{
		Topic: filter, QoS: qos,
		NoLocal:        group == "",                        // our own messages do not come back; MQTT forbids it on shared ones
		RetainHandling: packets.RetainSendOnSubscribeIfNew, // retained messages come for a filter that the session did not have
	}}}
	if !noID {
		number := int(subscriptionID(filter))
		p.Properties = &paho.SubscribeProperties{SubscriptionIdentifier: &number}
	}
	a, err := m.Subscribe(context.Background(), p)
	switch {
	case a == nil:
		return 0, err
	case len(a.Reasons) != 1:
		return 0, errMalformed
	case a.Reasons[0] >= 0x80:
		return 0, &ReasonError{"refused the subscription", a.Reasons[0], a.Properties.ReasonString}
	}
	return a.Reasons[0], nil
}

// granted is told how a request went.
func (c *Conn) granted(filter string, add bool, qos byte, err error) {
	s := &c.subs
	delete(s.asked, filter)
	switch {
	case !add:
		delete(s.have, filter)
		s.dropped = true
		s.strange[subscriptionID(filter)] = true // what was under way for it is no surprise
	case err == nil:
		s.have[filter] = true
		if qos < s.qos {
			c.log.Warn("the broker grants a lower QoS than asked for", "filter", filter, "qos", qos)
		}
	default:
		s.failed[filter] = true
		err = fmt.Errorf("topic filter %q: %w", filter, err)
		if s.err == nil || s.err.Error() != err.Error() {
			c.log.Error("cannot subscribe; what matches does not arrive", "error", err)
		}
		s.err = err
	}
	if len(s.asked) > 0 {
		return // what follows looks at all filters, so it is done once for all answers
	}
	if s.complete() {
		s.err = nil
	}
	if s.dropped {
		s.dropped = false
		c.index()
	}
	c.reconcile()
}

// copies says whether p is a further copy of a message that we have had. A broker sends a message that
// several of our filters match once for each of them, or once for all: MQTT leaves it the choice. Each
// filter has its number, and a copy bears the numbers of those that it was sent for. So of the messages
// of one topic and payload, the nth under one number and the nth under another are one message.
//
// This never waits for a copy that may not come and drops none that was not preceded by an equal one; a
// broker without Subscription Identifiers gives us both.
func (s *subscriptions) copies(c *Conn, p *publish) bool {
	several := false
	for _, id := range p.subIDs {
		crosses, known := s.numbers[id]
		several = several || crosses || !known
		if !known {
			c.stranger(string(p.topic), id)
		}
	}
	return several && c.in.copies.seen(p, time.Now())
}

// stranger looks into a number that none of our filters has: it is of a subscription that an earlier run
// left in the session. If its filter can be found out, we give it up.
func (c *Conn) stranger(topic string, id uint32) {
	s := &c.subs
	if s.strange[id] || len(s.strange) >= 1000 {
		return
	}
	s.strange[id] = true
	groups := []string{""}
	for _, f := range s.wanted {
		if group, _ := splitShare(f); !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
	}
	if f, found := guessFilter(topic, id, groups); found {
		c.log.Info("giving up a subscription of an earlier run", "filter", f)
		s.have[f] = true
		c.index()
		c.reconcile()
	}
}
