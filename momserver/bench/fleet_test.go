//go:build unix

package bench_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire"
)

// fleet_test.go holds the subscribers of the benchmarks, in a process of
// their own: the test binary, started again.

// fleetEnv says to a test binary that it is a fleet, and of what kind.
const fleetEnv = "MOM_BENCH_FLEET"

// order is what a fleet is to do.
type order struct {
	Interleaved
	Kind    string // "mom", "gob", "floor", or "bad" for what runBad starts
	Addr    string
	Clients int
	Count   uint64 // events that each is to get
	From    wire.From
	Latency bool   // take the time of each delivery
	Late    bool   // connect when it is said that all is ready
	Stalled bool   // the bad ones are all of that kind
	Attack  string // or they all attack in this way, or "spin"
	Secured bool   // the server speaks TLS
	Token   string
	First   uint64    // events that have been published before
	Only    uuid.UUID // the job whose events they take; zero for all

	Processors float64 // that "spin" takes
}

// word is what a fleet says, a line each.
type word struct {
	Ready    bool   `json:",omitempty"`
	Progress uint64 `json:",omitempty"` // events that every client has got
	Done     *tally `json:",omitempty"`
	Error    string `json:",omitempty"`
}

// tally is what a fleet found.
type tally struct {
	Deliveries uint64
	CPU        time.Duration // of its process, from Ready to Done
	P50, P99   time.Duration // from Publish to the handler
	Allocs     float64       // for each delivery
}

// TestMain becomes a fleet where it is told to.
func TestMain(m *testing.M) {
	if text := os.Getenv(fleetEnv); text != "" {
		var o order
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			panic(err)
		}
		(&fleet{order: o}).run()
		return
	}
	os.Exit(m.Run())
}

// fleet is the other process.
type fleet struct {
	order
	checks []*checker
	say    sync.Mutex // guards stdout
	done   sync.WaitGroup
}

// slowest returns how many events every client has got.
func (f *fleet) slowest() uint64 {
	least := f.Count
	for _, c := range f.checks {
		least = min(least, c.last.Load()-f.First)
	}
	return least
}

// report tells how far every client has got, whenever that has changed.
func (f *fleet) report() {
	told := uint64(0)
	for range time.Tick(5 * time.Millisecond) {
		if now := f.slowest(); now != told {
			f.tell(word{Progress: now})
			told = now
		}
	}
}

func (f *fleet) tell(w word) {
	f.say.Lock()
	defer f.say.Unlock()
	json.NewEncoder(os.Stdout).Encode(w)
}

func (f *fleet) fail(err error) {
	f.tell(word{Error: err.Error()})
	os.Exit(1)
}

func (f *fleet) run() {
	if f.Kind == "bad" {
		f.runBad()
		f.tell(word{Ready: true})
		bufio.NewReader(os.Stdin).ReadByte()
		return
	}
	start := make(chan func() error, f.Clients)
	for range f.Clients {
		c := &checker{fleet: f}
		c.last.Store(f.First)
		if f.Latency {
			c.took = make([]time.Duration, 0, f.Count)
		}
		f.checks = append(f.checks, c)
		f.done.Add(1)
		start <- func() error {
			if f.Kind == "mom" {
				return f.momClient(c)
			}
			return plainClient(f.Addr, f.Kind, c)
		}
	}
	close(start)
	if !f.Late {
		f.attach(start)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := cpuTime()
	f.tell(word{Ready: true})
	go f.report()
	if f.Late {
		f.attach(start)
	}
	f.done.Wait()
	t := &tally{Deliveries: f.Count * uint64(f.Clients), CPU: cpuTime() - cpu}
	runtime.ReadMemStats(&after)
	t.Allocs = float64(after.Mallocs-before.Mallocs) / float64(t.Deliveries)
	var took []time.Duration
	for _, c := range f.checks {
		took = append(took, c.took...)
	}
	if slices.Sort(took); len(took) > 0 {
		t.P50, t.P99 = took[len(took)/2], took[len(took)*99/100]
	}
	f.tell(word{Done: t})
	bufio.NewReader(os.Stdin).ReadByte() // until the other side has hung up
}

// attach makes the connections, fifty at a time.
func (f *fleet) attach(start <-chan func() error) {
	var all sync.WaitGroup
	for range min(50, f.Clients) {
		all.Go(func() {
			for connect := range start {
				if err := connect(); err != nil {
					f.fail(err)
				}
			}
		})
	}
	all.Wait()
}

func (f *fleet) momClient(c *checker) error {
	opts := momclient.Options{From: f.From, Token: f.Token, CallTimeout: time.Minute, DialTimeout: time.Minute}
	if f.Only != uuid.Nil {
		opts.Filter.Jobs = []uuid.UUID{f.Only}
	}
	if f.Secured {
		opts.TLS = anyServer
	}
	client := momclient.New(f.Addr, opts)
	client.OnEvent(func(e wire.Event) {
		if !e.Snapshot {
			c.see(&e)
		}
	})
	client.OnConnection(func(s momclient.ConnectionStatus) {
		if s.Kind == momclient.Lost || s.Kind == momclient.Refused {
			f.fail(s.Err)
		}
	})
	return client.Subscribe(context.Background())
}

// checker is a subscriber's handler: it checks each event.
type checker struct {
	fleet *fleet
	last  atomic.Uint64 // Seq of the last event; written by the handler alone
	took  []time.Duration
}

func (c *checker) see(e *wire.Event) {
	if c.fleet.Latency {
		c.took = append(c.took, time.Since(e.Data.Status.SentTime))
	}
	due := c.last.Load() + 1
	if e.Seq != due || e.Missed > 0 || !c.fleet.asPublished(e) {
		c.fleet.fail(fmt.Errorf("event %d, %d missed, where %d was due; or not as published: %+v", e.Seq, e.Missed, due, e.Data))
	}
	c.last.Store(due)
	if due == c.fleet.First+c.fleet.Count {
		c.fleet.done.Done()
	}
}

// crew is a fleet as its starter sees it.
type crew struct {
	b        *testing.B
	cmd      *exec.Cmd
	progress atomic.Uint64 // events that every client has got
	moved    chan struct{} // receives after progress has changed, and after a failure
	failed   atomic.Bool
	over     atomic.Bool // it has been told to end
	ready    chan struct{}
	done     chan *tally
	hangUp   func()
}

// startFleet starts one and returns when it is there. Its end ends b.
func startFleet(b *testing.B, o order) *crew {
	b.Helper()
	text, _ := json.Marshal(o)
	c := &crew{b: b, ready: make(chan struct{}), moved: make(chan struct{}, 1), done: make(chan *tally, 1)}
	c.cmd = exec.Command(os.Args[0])
	c.cmd.Env = append(os.Environ(), fleetEnv+"="+string(text))
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	failed := make(chan string, 1)
	move := func() {
		select {
		case c.moved <- struct{}{}:
		default:
		}
	}
	go func() {
		defer move()
		dec := json.NewDecoder(out)
		for {
			var w word
			if err := dec.Decode(&w); err != nil {
				w.Error = err.Error()
			}
			switch {
			case c.over.Load():
				return
			case w.Error != "":
				failed <- w.Error
				c.failed.Store(true)
				close(c.done)
				return
			case w.Ready:
				close(c.ready)
			case w.Done != nil:
				c.done <- w.Done
				return
			default:
				c.progress.Store(w.Progress)
				move()
			}
		}
	}()
	c.hangUp = func() { c.over.Store(true); in.Close(); c.cmd.Wait() }
	select {
	case <-c.ready:
	case text := <-failed:
		b.Fatal("the fleet failed: ", text)
	}
	go func() {
		if text, ok := <-failed; ok {
			b.Error("the fleet failed: ", text)
		}
	}()
	return c
}

// wait returns the fleet's tally.
func (c *crew) wait() *tally {
	c.b.Helper()
	t := <-c.done
	c.hangUp()
	if t == nil {
		c.b.FailNow()
	}
	return t
}

// cpuTime returns the processor time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
