package board

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// TestConnection follows a connection that is lost, refused and resumed, with a run
// that has a rate while events come.
func TestConnection(t *testing.T) {
	now, epoch := start, uuid.New()
	b := New("S", "soon:7420", jobs.Options{Now: func() time.Time { return now }})
	at := func(seconds int) { now = start.Add(time.Duration(seconds) * time.Second) }
	status := func(s momclient.ConnectionStatus) {
		s.Server, s.Time = "mirror.example:7420", now
		before := b.Version()
		if b.Status(s); b.Version() == before {
			t.Errorf("%v leaves the version", s.Kind)
		}
	}
	if c := b.View().Connection; c.Server != "soon:7420" || c.Connected {
		t.Errorf("%+v", c)
	}
	status(momclient.ConnectionStatus{Kind: momclient.Connecting})
	if c := b.Connection(); c.State != "connecting" || !c.Since.Equal(start) {
		t.Errorf("%+v", c)
	}
	status(momclient.ConnectionStatus{Kind: momclient.Connected, Epoch: epoch})
	for i := range 3 {
		at(i)
		e := wire.Event{Seq: uint64(i + 1), Epoch: epoch, JobID: uuid.New(), RunID: epoch}
		e.Data.Status = wire.Status{State: wire.Transferring, ReceivedTime: now}
		e.Data.Progress.BytesDone = int64(i) * 100
		b.Event(&e)
	}
	want := func(state string, connected bool, since float64, rate int64) Connection {
		t.Helper()
		v := b.View()
		c := v.Connection
		if c.State != state || c.Connected != connected || c.Since.Sub(start).Seconds() != since || v.Jobs[0].Run.Rate != rate || c.Server != "mirror.example:7420" {
			t.Errorf("%+v, rate %d; want %s, %v since %v, rate %d", c, v.Jobs[0].Run.Rate, state, connected, since, rate)
		}
		return c
	}
	want("connected", true, 0, 100)
	status(momclient.ConnectionStatus{Kind: momclient.Draining, Err: errors.New("draining")})
	want("draining", true, 0, 100)
	at(3)
	status(momclient.ConnectionStatus{Kind: momclient.Lost, Err: errors.New("cut")})
	want("lost", false, 3, 0)
	at(4)
	status(momclient.ConnectionStatus{Kind: momclient.Reconnecting, Attempt: 1, Delay: time.Second, Err: errors.New("no route")})
	if c := want("reconnecting", false, 3, 0); c.Attempt != 1 || !c.NextTry.Equal(start.Add(5*time.Second)) || c.Error != "no route" {
		t.Errorf("%+v", c)
	}
	status(momclient.ConnectionStatus{Kind: momclient.Connecting})
	want("reconnecting", false, 3, 0)
	status(momclient.ConnectionStatus{Kind: momclient.Refused, Err: errors.New("wrong token"), Final: true})
	if c := want("refused", false, 3, 0); !c.Final || !c.NextTry.IsZero() {
		t.Errorf("%+v", c)
	}
	at(6)
	status(momclient.ConnectionStatus{Kind: momclient.Resumed, Epoch: epoch})
	if c := want("connected", true, 6, 67); c.Error != "" || c.Attempt != 0 || c.Resumed != 1 {
		t.Errorf("%+v", c)
	}
	if c := b.Connection(); c.Events != 3 || c.Epoch != epoch || c.Missed != 0 {
		t.Errorf("%+v", c)
	}
	status(momclient.ConnectionStatus{Kind: momclient.Resumed, Epoch: uuid.New(), NewEpoch: true})
	if v := b.View(); v.Connection.Restarts != 1 || v.Counts.Lost != 1 {
		t.Errorf("%+v", v)
	}
}
