package simulation_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/faultnet"
	"mom.internal/wire/wiretest/invariant"
)

// badPeer comes again and again, and never behaves. On its own link no faults
// are made.
type badPeer struct {
	*actor
	link *faultnet.Link
}

// badIP is where it comes from.
const badIP = "10.0.1.1"

// What it does, and how it calls itself.
const (
	badPrefix = "bad peer that "
	saysLess  = badPrefix + "says nothing"
	saysHalf  = badPrefix + "greets in half"
	neverAcks = badPrefix + "never answers"
	lies      = badPrefix + "answers with an error"
	boasts    = badPrefix + "boasts of room"
	neverRead = badPrefix + "asks and does not read"
	dawdles   = badPrefix + "takes seconds to write an answer"
	lurks     = badPrefix + "names an endpoint and does not speak there"
)

func newBadPeer(w *simulation) *badPeer {
	b := &badPeer{actor: w.actor("bad")}
	b.link = w.link(b.actor, badIP, b.between(grid, 10*time.Millisecond), 0, 300, 1)
	return b
}

func (b *badPeer) live() {
	for !b.w.healed() {
		b.rest(b.between(200*time.Millisecond, 4*time.Second))
		what := one(b.actor, saysLess, saysHalf, neverAcks, neverAcks, lies, boasts, neverRead, dawdles, lurks)
		err := b.visit(what, b.between(100*time.Millisecond, 9*time.Second))
		b.did("%s: %v", what, err == nil)
	}
}

// visit connects, is bad for a while, and goes.
func (b *badPeer) visit(what string, lasts time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second+b.offset)
	defer cancel()
	if what == saysLess || what == saysHalf {
		nc, err := b.link.DialContext(ctx, "mem", address)
		if err != nil {
			return err
		}
		defer nc.Close()
		if what == saysHalf {
			nc.Write([]byte("MoM"))
		}
		b.rest(lasts)
		return nil
	}
	conn, _, err := b.w.greet(ctx, b.actor, b.link)
	if err != nil {
		return err
	}
	callback := &badCallback{what: what, until: make(chan struct{})}
	go conn.Serve(protocol.CallbackService, callback)
	defer conn.Wait()
	defer conn.Close(wire.Errorf(wire.Closed, "enough"))
	release := sync.OnceFunc(func() { close(callback.until) })
	defer release()
	// A call is not over before what is served on the same connection.
	stop := context.AfterFunc(ctx, release)
	args := &protocol.SubscribeArgs{Name: what, From: wire.FromOldest, Credit: protocol.Credit{Events: 1000, Bytes: 1 << 40}}
	if what == lurks {
		return b.lurk(ctx, conn, args, lasts)
	}
	if err := conn.Call(ctx, protocol.MethodSubscribe, args, &protocol.Subscribed{}); err != nil {
		return err
	}
	if !stop() {
		return ctx.Err()
	}
	switch what {
	case boasts:
		conn.Call(ctx, protocol.MethodCredit, &protocol.Credit{Events: 1 << 40, Bytes: 1 << 40}, &protocol.Nothing{})
	case dawdles:
		b.link.Throttle(faultnet.Up, 5)
		defer b.link.Heal()
	case neverRead:
		b.link.Block(faultnet.Down)
		defer b.link.Heal()
		for range 30 {
			conn.Client().Go(protocol.MethodPing, &protocol.Nothing{}, &protocol.Nothing{}, nil)
			b.sleep(0)
		}
	}
	b.rest(lasts)
	return nil
}

// lurk subscribes with an endpoint that proves nothing.
func (b *badPeer) lurk(ctx context.Context, conn *duplex.Conn, args *protocol.SubscribeArgs, lasts time.Duration) error {
	l, err := b.link.Listen("tcp", ":0")
	if err != nil {
		return err
	}
	defer l.Close()
	args.CallbackAddr, args.Ticket = l.Addr().String(), make([]byte, protocol.TicketSize)
	err = conn.Call(ctx, protocol.MethodSubscribe, args, &protocol.Subscribed{})
	if err == nil {
		b.w.violated(invariant.Reasons, "%s was subscribed", b.name)
	}
	b.rest(lasts)
	return err
}

// badCallback is what it serves.
type badCallback struct {
	what  string
	until chan struct{}
}

func (c *badCallback) Notify(b *protocol.Batch, ack *protocol.Ack) error {
	switch c.what {
	case neverAcks:
		<-c.until
	case lies:
		return errors.New("no")
	}
	*ack = protocol.Ack{Events: 1 << 20, Bytes: 1 << 40}
	return nil
}

func (c *badCallback) Goodbye(*protocol.Goodbye, *protocol.Nothing) error { return nil }

// isRaw reports whether the name is that of a peer that does not use momclient.
func isRaw(name string) bool {
	return strings.HasPrefix(name, badPrefix) || strings.HasPrefix(name, guestPrefix)
}
