package main

import (
	"os"
	"runtime"
	"sync"
	"time"
)

// The processors are those that the process uses at a time: one while that is enough, else all. What the
// goroutines of edge hand to each other then stays on one core; with more, each is woken on another, which costs
// more than what it has to do (docs/decisions/0007-batches.md). Whoever sets GOMAXPROCS decides for himself.
type processors struct {
	all  int
	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex
	demand  demand
	loading int // loads of files that are under way: they are to be quick
}

const demandInterval = 500 * time.Millisecond

func startProcessors() *processors {
	p := &processors{all: runtime.GOMAXPROCS(0), stop: make(chan struct{}), done: make(chan struct{})}
	if os.Getenv("GOMAXPROCS") != "" || p.all == 1 || cpuTime() == 0 {
		close(p.done)
		return p
	}
	p.apply()
	go p.run()
	return p
}

func (p *processors) run() {
	defer close(p.done)
	tick := time.NewTicker(demandInterval)
	defer tick.Stop()
	for began := time.Now(); ; {
		p.mu.Lock()
		if p.loading == 0 {
			p.demand.sample(time.Since(began), cpuTime())
			p.apply()
		}
		p.mu.Unlock()
		select {
		case <-tick.C:
		case <-p.stop:
			runtime.GOMAXPROCS(p.all)
			return
		}
	}
}

// load runs a function that is to have all processors.
func (p *processors) load(f func()) {
	if p == nil {
		f()
		return
	}
	note := func(n int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		select {
		case <-p.done:
		default:
			p.loading += n
			p.demand.skip = true
			p.apply()
		}
	}
	note(1)
	defer note(-1)
	f()
}

func (p *processors) apply() {
	n := 1
	if p.demand.all || p.loading > 0 {
		n = p.all
	}
	if runtime.GOMAXPROCS(0) != n {
		runtime.GOMAXPROCS(n) // stops all for some ten microseconds
	}
}

func (p *processors) end() {
	if p == nil {
		return
	}
	select {
	case <-p.done:
	default:
		close(p.stop)
		<-p.done
	}
}

// A demand judges, by the CPU time that a process takes, whether one processor is enough.
type demand struct {
	all bool

	at, cpu time.Duration // of the last sample
	skip    bool          // the next interval says nothing
	since   time.Duration // the last change of all
	low     time.Duration // since when little is used; 0: it is not
	wait    time.Duration // how long that must last
}

const (
	muchUsed  = 0.7 // of one processor
	littleUse = 0.5 // the same, with all: their use of each other costs something, too
	leastWait = 5 * time.Second
	mostWait  = 5 * time.Minute
)

// sample is told now and then of the time and of the CPU time so far.
func (d *demand) sample(at, cpu time.Duration) {
	used := float64(cpu-d.cpu) / float64(max(at-d.at, 1))
	first := d.at == 0 && d.cpu == 0
	d.at, d.cpu = at, cpu
	if d.skip || first {
		d.skip = false
		return
	}
	if !d.all {
		if used > muchUsed {
			// Who needs all again soon after they were given up keeps them for longer.
			if d.wait > 0 && at-d.since < 2*d.wait {
				d.wait = min(2*d.wait, mostWait)
			} else {
				d.wait = leastWait
			}
			d.all, d.since, d.low = true, at, 0
		}
		return
	}
	if used > littleUse {
		d.low = 0
		return
	}
	if d.low == 0 {
		d.low = at
	}
	if at-d.low >= d.wait {
		d.all, d.since = false, at
	}
}
