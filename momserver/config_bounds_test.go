package momserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
	"mom.internal/wire/wiretest/source"
)

// bound says how a number or a time of Config is held: at the limit, where
// nothing happens, and one past it.
type bound struct {
	here  func(*testing.T) // run by TestEachBound
	there func(*testing.T) // a test of its own
	none  string           // why it is no bound
}

// bounds has each of them.
var bounds = map[string]bound{
	"CacheEvents":   {here: func(t *testing.T) { keeps(t, momserver.Config{CacheEvents: 5}, 5) }},
	"CacheBytes":    {here: holdsCacheBytes},
	"MaxEventBytes": {here: holdsMaxEventBytes},
	"MaxRuns":       {here: holdsMaxRuns},
	"MaxJobs":       {here: holdsMaxJobs},

	"MaxRunSilence":   {here: holdsMaxRunSilence}, // and whose turn it is TestSilentRunGivesWay
	"MaxOpenPackages": {here: holdsMaxOpenPackages},

	"MaxConns":         {there: TestCaps},
	"MaxConnsPerAddr":  {there: TestCaps},
	"MaxSubscribers":   {there: TestCaps},
	"MaxFilterItems":   {here: holdsMaxFilterItems},
	"MaxMessage":       {here: holdsMaxMessage},
	"HandshakeTimeout": {here: holdsHandshakeTimeout},
	"MessageTimeout":   {there: TestStalledMessage},
	"IdleTimeout":      {there: TestIdle},

	"BatchBytes":  {here: holdsBatchBytes},
	"Window":      {here: holdsWindow},
	"WindowBytes": {here: holdsWindowBytes},
	"Heartbeat":   {here: holdsHeartbeat},
	"CallTimeout": {there: TestCallTimeout},

	"MaxSnapshotEvents": {here: holdsMaxSnapshotEvents},

	"ProgressInterval":   {there: TestProgressInterval},
	"Token":              {here: holdsToken},
	"GreetingsPerSecond": {there: TestGreetingsPerSecond},
	"FailuresPerMinute":  {there: TestFailuresPerMinute}, // and the minute's length TestMinuteLimit
	"DialsPerMinute":     {there: TestDialsPerMinute},
	"DialTimeout":        {there: TestCallbackSilence}, // and to the nanosecond wire's TestVictimHearsNothing and TestDialBackJustInTime
	"LogPerSecond":       {there: TestLogPerSecond},
}

// TestEachBound holds every bound of Config at its limit, and one past it.
func TestEachBound(t *testing.T) {
	settings := reflect.TypeFor[momserver.Config]()
	for _, name := range source.Numbers(settings) {
		if b := bounds[name]; b.here == nil && b.there == nil && b.none == "" {
			t.Errorf("nothing holds Config.%s, or says why it is no bound", name)
		}
	}
	for name, b := range bounds {
		if _, ok := settings.FieldByName(name); !ok {
			t.Errorf("Config has no %s", name)
		}
		if b.here != nil {
			t.Run(name, b.here)
		}
	}
}

// keeps wants a server to have n events for who asks from the beginning, and of
// one more the oldest gone and counted.
func keeps(t *testing.T, cfg momserver.Config, n int) {
	harness.Serve(t, cfg, func(s *harness.Server) {
		for missed := range uint64(2) {
			s.PublishN(1)
			if missed == 0 {
				s.PublishN(n - 1)
			}
			events, _, err := s.Client(momclient.Options{}).History(context.Background(), wire.Cursor{Epoch: s.Epoch()}, 0)
			if err != nil || len(events) != n || events[0].Missed != missed || events[0].Seq != missed+1 {
				t.Errorf("%d are missed, and of %d events: %v; want %d and %d", events[0].Missed, len(events), err, missed, n)
			}
		}
	})
}

func holdsCacheBytes(t *testing.T) {
	var size int
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		s.PublishN(5)
		size = s.Stats().CachedBytes
	})
	keeps(t, momserver.Config{CacheBytes: size}, 5)
	keeps(t, momserver.Config{CacheBytes: size - 1}, 4)
}

func holdsMaxEventBytes(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxEventBytes: 1000}, func(s *harness.Server) {
		ev, last := harness.Event(s.JobID, s.RunID, "", wire.Transferring), error(nil)
		for n := 1000; ; n-- {
			ev.Data.Body = &wire.PackageBody{Item: strings.Repeat("x", n)}
			err := s.Publish(ev)
			if err == nil {
				break
			}
			last = err
		}
		if !errors.Is(last, wire.TooLarge) || !strings.Contains(last.Error(), "of 1001 bytes; at most 1000 (Config.MaxEventBytes)") {
			t.Errorf("a byte more than is taken: %v", last)
		}
		if events := published(s); len(events) != 1 {
			t.Errorf("%d events are published", len(events))
		}
	})
}

func holdsMaxRuns(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxRuns: 3}, func(s *harness.Server) {
		for range 3 {
			s.RunID = uuid.New()
			s.PublishN(2)
		}
		if err := s.Publish(harness.Event(s.JobID, uuid.New(), "", wire.Transferring)); !errors.Is(err, wire.Full) || !strings.Contains(err.Error(), "3 unfinished runs already (Config.MaxRuns)") {
			t.Errorf("over: %v", err)
		}
		s.PublishN(1) // of a run that is there
		if n := s.Stats().Published; n != 7 {
			t.Errorf("%d events are published", n)
		}
	})
}

func holdsMaxJobs(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxJobs: 3}, func(s *harness.Server) {
		jobs := make(map[uuid.UUID]int)
		for i := range 4 {
			id := uuid.New()
			jobs[id] = i
			s.Must(harness.Event(id, id, "", wire.Transferring))
			kept := s.Jobs()
			if len(kept) != min(i+1, 3) {
				t.Errorf("%d jobs are kept of %d", len(kept), i+1)
			}
			for _, e := range kept {
				if i == 3 && jobs[e.JobID] == 0 {
					t.Error("the job that was silent longest is kept")
				}
			}
		}
	})
}

// holdsMaxSnapshotEvents has clients take a part of their snapshots. While all
// the rest fits, each gets it later; if it is one event too much, the first
// client gets a gap.
func holdsMaxSnapshotEvents(t *testing.T) {
	for missed, bound := range []int{2, 1} { // one event of each snapshot waits
		harness.Serve(t, momserver.Config{MaxSnapshotEvents: bound}, func(s *harness.Server) {
			for range 4 {
				s.RunID = uuid.New()
				s.PublishN(1)
			}
			goOn := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
			var clients [2]*harness.Client
			for i := range clients {
				clients[i] = s.Client(momclient.Options{Queue: 2})
				clients[i].OnEvent(func(wire.Event) { <-goOn[i] })
				clients[i].MustSubscribe()
				synctest.Wait()
			}
			time.Sleep(time.Minute) // which is over CallTimeout
			s.PublishN(1)
			synctest.Wait()
			for i := range goOn { // the second first, so that the first, which begins again, does not need its place
				close(goOn[1-i])
				time.Sleep(time.Minute)
			}
			for i, c := range clients {
				told := c.Told()
				if want := uint64(missed * (1 - i)); told.Missed != want || told.Fresh != 1-int(want) {
					t.Errorf("with %d, client %d: %+v", bound, i, told)
				}
			}
		})
	}
}

// holdsMaxRunSilence has a run give way, and a subscriber gets the event that
// ends it.
func holdsMaxRunSilence(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxRuns: 1, MaxRunSilence: 7 * time.Minute}, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{})
		s.PublishN(1)
		next := harness.Event(s.JobID, uuid.New(), "", wire.Transferring)
		time.Sleep(7*time.Minute - time.Nanosecond)
		if err := s.Publish(next); !errors.Is(err, wire.Full) {
			t.Errorf("too early: %v", err)
		}
		time.Sleep(time.Nanosecond)
		s.Ledger.Publish(invariant.Mark{JobID: s.JobID, Name: "job", RunID: s.RunID, State: wire.ExportingError, Severity: wire.SeverityError, Outcome: wire.Failed})
		if err := s.Publish(next); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if sum := c.Told(); sum.Fresh != 3 {
			t.Errorf("%+v", sum)
		}
	})
}

// holdsMaxFilterItems bounds the jobs in all filters, and those of one address to a
// quarter, but to no less than one filter may have. A long name counts as several.
// The end of a subscription makes room.
func holdsMaxFilterItems(t *testing.T) {
	of := func(ids, names int) momclient.Options {
		return momclient.Options{Filter: wire.Filter{Jobs: make([]uuid.UUID, ids), Names: make([]string, names)}}
	}
	long := of(1024, 1000)
	long.Filter.Names[0] = strings.Repeat("x", 500*64)
	for _, tc := range []struct {
		bound int
		first momclient.Options
		over  int // items past the bound or the share
	}{
		{10, of(3, 4), 4},
		{8192, long, 2048 + 1024 - 1024 - 1000 - 500 + 1},
		{40_000, of(1024, 1024), 0},
	} {
		harness.Serve(t, momserver.Config{MaxFilterItems: tc.bound}, func(s *harness.Server) {
			first := s.Subscribed(tc.first)
			s.Subscribed(momclient.Options{}) // without a filter
			if tc.over == 0 {
				s.Subscribed(of(1024, 1024))
				return
			}
			err := s.Client(of(tc.over, 0)).Subscribe(context.Background())
			if !errors.Is(err, wire.Full) || wire.IsFinal(err) || !strings.Contains(err.Error(), "(Config.MaxFilterItems)") {
				t.Errorf("bound %d, %d more: %v", tc.bound, tc.over, err)
			}
			second := s.Subscribed(of(tc.over-1, 0))
			first.Close()
			second.Close()
			synctest.Wait()
			s.Subscribed(tc.first)
		})
	}
}

func holdsMaxOpenPackages(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxOpenPackages: 2}, func(s *harness.Server) {
		j := s.MustStartJob(s.JobID, wire.InitializeData{Name: "job"})
		play(t, j, "start:A start:B")
		if _, err := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{}); !errors.Is(err, wire.Full) || !strings.Contains(err.Error(), `2 open packages of job "job" already (Config.MaxOpenPackages)`) {
			t.Errorf("over: %v", err)
		}
		if n := s.Stats().Published; n != 3 {
			t.Errorf("%d events are published", n)
		}
	})
	harness.Serve(t, momserver.Config{MaxOpenPackages: 1}, func(s *harness.Server) { // an end makes room
		j := s.MustStartJob(s.JobID, wire.InitializeData{ContinueOnError: true})
		play(t, j, "start:A transferred:A complete:A start:B fail:B start:A fail:A complete")
	})
}

// holdsMaxMessage has a subscriber send a call of as many bytes as are taken,
// which is answered, and one of a byte more.
func holdsMaxMessage(t *testing.T) {
	const most = 3000
	harness.Serve(t, momserver.Config{MaxMessage: most}, func(s *harness.Server) {
		type args struct {
			Name    string
			Padding string // which a server does not know
		}
		call := func(n int) (payload []byte) {
			for pad := n; len(payload) != n; pad-- {
				payload = attack.NextCall(protocol.MethodSubscribe, &args{"long", strings.Repeat("x", pad)})
			}
			return attack.Frame(1, payload)
		}
		nc := s.Greeted()
		go io.Copy(io.Discard, nc)
		nc.Write(attack.Frame(1, attack.Call(protocol.MethodSubscribe, &args{"long", "x"})))
		nc.Write(call(most))
		synctest.Wait()
		if n := s.Stats().Subscribers; n != 1 {
			t.Errorf("%d subscribers, within", n)
		}
		nc.Write(call(most + 1))
		synctest.Wait()
		st := s.Stats()
		if st.Drops[momserver.ReasonProtocol] != 1 || !strings.Contains(st.Dropped[0].Detail, "a message of 3001 bytes; at most 3000 (Config.MaxMessage)") {
			t.Errorf("over: %+v", st.Dropped)
		}
	})
}

// holdsHandshakeTimeout has one client greet a nanosecond before its time is
// over, and one not at all: that one hears nothing.
func holdsHandshakeTimeout(t *testing.T) {
	log := new(logged)
	harness.Serve(t, momserver.Config{HandshakeTimeout: 7 * time.Second, Logger: log.logger()}, func(s *harness.Server) {
		last, silent := s.Dial(), s.Dial()
		time.Sleep(7*time.Second - time.Nanosecond)
		if _, err := protocol.Greet(last, "", time.Second); err != nil {
			t.Errorf("just in time: %v", err)
		}
		synctest.Wait()
		if n := s.Stats().Connections; n != 2 {
			t.Errorf("%d connections, a nanosecond before", n)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if n := s.Stats().Connections; n != 1 || !strings.Contains(log.String(), "the greeting did not come in time (Config.HandshakeTimeout)") {
			t.Errorf("%d connections when it is over; the log is %s", n, log)
		}
		if said, err := io.ReadAll(silent); len(said) > 0 || err != nil {
			t.Errorf("the silent one heard %q, %v", said, err)
		}
	})
}

func holdsToken(t *testing.T) {
	token := strings.Repeat("t", wire.MaxTokenBytes)
	harness.Serve(t, momserver.Config{Token: token}, func(s *harness.Server) {
		s.Subscribed(momclient.Options{Token: token})
		err := s.Client(momclient.Options{Token: token + "t"}).Subscribe(context.Background())
		if !errors.Is(err, wire.BadRequest) || !strings.Contains(err.Error(), fmt.Sprintf("a token of %d bytes; at most %d", wire.MaxTokenBytes+1, wire.MaxTokenBytes)) {
			t.Errorf("over: %v", err)
		}
	})
}

// TestExtremeBounds: a server works even if every number and time of its
// configuration is the largest of its type.
func TestExtremeBounds(t *testing.T) {
	var cfg momserver.Config
	settings := reflect.ValueOf(&cfg).Elem()
	for _, name := range source.Numbers(settings.Type()) {
		field := settings.FieldByName(name)
		field.SetInt(1<<(field.Type().Bits()-1) - 1)
	}
	log := new(logged)
	cfg.Logger = log.logger()
	harness.Serve(t, cfg, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{Queue: math.MaxInt, QueueBytes: math.MaxInt, MaxMessage: 1 << 30})
		s.PublishN(1000)
		synctest.Wait()
		if sum := c.Told(); sum.Fresh != 1000 {
			t.Errorf("%+v: %s, %+v", sum, c.Statuses(), s.Stats().Dropped)
		}
	})
	if !strings.Contains(log.String(), "momserver: subscribed") {
		t.Errorf("nothing is logged: %s", log)
	}
}
