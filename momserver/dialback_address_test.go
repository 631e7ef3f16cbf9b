package momserver_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// subscriberAt dials a real server from an address of this machine.
func subscriberAt(t *testing.T, ip, addr string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	nc, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

// dialers are what a server may dial back with: its own, and one that connects
// wherever it is told.
var dialers = map[string]func(ctx context.Context, network, addr string) (net.Conn, error){
	"own": nil, "given": new(net.Dialer).DialContext,
}

// TestSpellingsOfLoopback: a subscriber that comes from elsewhere, here from
// 127.0.0.2, does not reach a service on loopback by any name of it. The
// service speaks first, as the endpoint does, and counts what it is sent.
func TestSpellingsOfLoopback(t *testing.T) {
	for name, dialer := range dialers {
		t.Run(name, func(t *testing.T) { testSpellings(t, dialer) })
	}
}

func testSpellings(t *testing.T, dialer func(ctx context.Context, network, addr string) (net.Conn, error)) {
	_, addr := loopback(t, momserver.Config{DialTimeout: 2 * time.Second, DialsPerMinute: 100, DialContext: dialer})
	var dialled atomic.Int32
	l := listen(t, "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(l.Addr().String())
	victims := []net.Listener{l}
	if six, err := net.Listen("tcp", "[::1]:"+port); err == nil {
		defer six.Close()
		victims = append(victims, six)
	}
	for _, v := range victims {
		go func() {
			for {
				nc, err := v.Accept()
				if err != nil {
					return
				}
				dialled.Add(1)
				nc.Close()
			}
		}()
	}
	for _, host := range []string{
		"127.0.0.1", "localhost", "localhost.", "LOCALHOST", "0", "0.0.0.0", "127.1", "127.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
		"0x7f000001", "0x7f.1", "2130706433", "017700000001", "0177.0.0.1", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "", "[::ffff:0.0.0.0]", "[::1%lo]", "127.0.0.1.",
	} {
		nc := subscriberAt(t, "127.0.0.2", addr)
		err := askCallback(t, nc, host+":"+port, make([]byte, protocol.TicketSize))
		if !errors.Is(err, wire.CallbackFailed) {
			t.Errorf("%q: %v", host, err)
		}
		t.Logf("%q: %v", host, err)
	}
	if n := dialled.Load(); n != 0 {
		t.Errorf("%d connections were made to loopback", n)
	}
}

// names is a name server of one name, whose address is another at every
// question, in turn.
type names struct {
	addrs []netip.Addr
	asked atomic.Int32
}

// serveNames makes this process resolve names at a names, until the test ends.
func serveNames(t *testing.T, addrs ...string) *names {
	n := new(names)
	for _, a := range addrs {
		n.addrs = append(n.addrs, netip.MustParseAddr(a))
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		pc.Close()
	})
	go func() {
		buf := make([]byte, 1500)
		for {
			size, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			pc.WriteTo(n.answer(buf[:size]), from)
		}
	}()
	return n
}

// answer answers a question of DNS: of A with the next address, of others with
// none.
func (n *names) answer(question []byte) []byte {
	end := 12
	for question[end] != 0 {
		end += 1 + int(question[end])
	}
	end += 5 // the root, type, class
	kind := binary.BigEndian.Uint16(question[end-4:])
	out := append([]byte(nil), question[:end]...)
	out[2], out[3] = 0x84, 0 // an authority's answer
	clear(out[6:12])
	if kind == 1 && len(n.addrs) > 0 {
		addr := n.addrs[int(n.asked.Add(1)-1)%len(n.addrs)].As4()
		out[7] = 1
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4) // the same name, A, IN, for no time
		out = append(out, addr[:]...)
	}
	return out
}

// errNotAllowed is what the log says of an address that may not be dialled.
const errNotAllowed = "the server may not dial this address"

// TestRefusalsTellNothing: whatever is wrong with a callback address, the
// client gets the same answer, and the log has the reason.
func TestRefusalsTellNothing(t *testing.T) {
	closed := listen(t, "127.0.0.1:0")
	closed.Close()
	silent, speaks := newVictim(t, "127.0.0.1:0", ""), newVictim(t, "127.0.0.1:0", "220 mail.example ESMTP, what can I do for you today?\r\n")
	elsewhere := newVictim(t, "127.0.0.2:0", "")
	panics := func(_, target netip.AddrPort) bool { panic(target) }
	hangs := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	_, port, _ := net.SplitHostPort(closed.Addr().String())
	for name, dialer := range dialers {
		cfg := momserver.Config{DialTimeout: 10 * time.Second, DialsPerMinute: 100, DialContext: dialer}
		panicking, impatient := cfg, cfg
		impatient.DialTimeout = 300 * time.Millisecond
		hanging := impatient
		panicking.AllowCallback, hanging.DialContext = panics, hangs
		for _, tc := range []struct {
			cfg            momserver.Config
			addr, resolves string // resolves is the address of named.example; "" for none
			reason         string // in the log
		}{
			{cfg, closed.Addr().String(), "", "connection refused"},
			{impatient, silent.Addr().String(), "", "read tcp"},
			{cfg, speaks.Addr().String(), "", "did not prove"},
			{cfg, elsewhere.Addr().String(), "", errNotAllowed},
			{cfg, "0.0.0.0:" + port, "", errNotAllowed},
			{cfg, "named.example:" + port, "", "no such host"},
			{cfg, "named.example:" + port, "127.0.0.1", "connection refused"},
			{cfg, "named.example:" + port, "127.0.0.2", errNotAllowed},
			{panicking, closed.Addr().String(), "", "internal error"},
			{hanging, closed.Addr().String(), "", "deadline exceeded"},
		} {
			if tc.resolves != "" || strings.HasPrefix(tc.addr, "named") {
				serveNames(t, strings.Fields(tc.resolves)...)
			}
			log := new(logged)
			tc.cfg.Logger = log.logger()
			_, addr := loopback(t, tc.cfg)
			var got *wire.Error
			if err := endpointOf(t, addr, tc.addr); !errors.As(err, &got) || got.Code != wire.CallbackFailed || got.Message != protocol.NoEndpoint().Message || got.After != 0 {
				t.Errorf("%s dialer, %s, which is %q: %v", name, tc.addr, tc.resolves, err)
			}
			log.until(t, tc.reason)
		}
	}
}

// TestRebinding: a name that is the subscriber's own address when first asked
// about and another's later never leads there, because there is no question
// and then another: what is dialled is what is checked.
func TestRebinding(t *testing.T) {
	for name, dialer := range dialers {
		t.Run(name, func(t *testing.T) { testRebinding(t, dialer) })
	}
}

func testRebinding(t *testing.T, dialer func(ctx context.Context, network, addr string) (net.Conn, error)) {
	elsewhere := newVictim(t, "127.0.0.2:0", "")
	_, port, _ := net.SplitHostPort(elsewhere.Addr().String())
	own := newVictim(t, "127.0.0.1:"+port, "")
	var checked []string
	log := new(logged)
	_, addr := loopback(t, momserver.Config{Logger: log.logger(), DialTimeout: 200 * time.Millisecond, DialsPerMinute: 100, DialContext: dialer})
	_, open := loopback(t, momserver.Config{Logger: log.logger(), DialTimeout: 200 * time.Millisecond, DialsPerMinute: 100, DialContext: dialer, AllowCallback: func(_, target netip.AddrPort) bool {
		checked = append(checked, target.String())
		return target.Addr() == netip.MustParseAddr("127.0.0.1")
	}})
	n := serveNames(t, "127.0.0.2", "127.0.0.1", "127.0.0.2")
	for range 6 {
		for _, server := range []string{addr, open} {
			err := endpointOf(t, server, "rebind.example:"+port)
			if !errors.Is(err, wire.CallbackFailed) {
				t.Error(err)
			}
		}
	}
	forbidden := strings.Count(log.String(), errNotAllowed)
	if n.asked.Load() < 12 || forbidden == 0 || forbidden == 12 {
		t.Errorf("the name was asked about %d times, %d dials were forbidden", n.asked.Load(), forbidden)
	}
	select {
	case <-elsewhere.got:
		t.Error("a connection was made to the other address")
	default:
	}
	for range 12 - forbidden { // the subscriber's own, which proves nothing, hears nothing either
		if got := <-own.got; len(got) > 0 {
			t.Errorf("0 bytes before proof: %q", got)
		}
	}
	if len(checked) != 6 {
		t.Errorf("AllowCallback was asked about %v", checked)
	}
}

// TestCallbackNowhere: whatever the owner allows, no dial goes to addresses that
// name no machine, or this one without saying so.
func TestCallbackNowhere(t *testing.T) {
	for name, dialer := range dialers {
		_, addr := loopback(t, momserver.Config{DialsPerMinute: 100, DialContext: dialer, AllowCallback: func(_, target netip.AddrPort) bool {
			t.Errorf("%s dialer: asked about %v", name, target)
			return true
		}})
		for _, host := range []string{"0.0.0.0", "[::]", "", "224.0.0.1", "[ff02::1%lo]"} {
			if err := endpointOf(t, addr, fmt.Sprintf("%s:%d", host, 1)); !errors.Is(err, wire.CallbackFailed) {
				t.Errorf("%s dialer: %q: %v", name, host, err)
			}
		}
	}
}

// TestDialContext: a dialer that is given gets what a name stands for, and not
// the name, and is not asked where it may not connect.
func TestDialContext(t *testing.T) {
	var told []string
	log := new(logged)
	_, addr := loopback(t, momserver.Config{Logger: log.logger(), DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
		told = append(told, network+" "+addr)
		return nil, errors.New("not today")
	}})
	serveNames(t, "127.0.0.1", "127.0.0.2")
	for _, reason := range []string{"not today", errNotAllowed} {
		if err := endpointOf(t, addr, "named.example:7"); !errors.Is(err, wire.CallbackFailed) {
			t.Error(err)
		}
		log.until(t, reason)
	}
	if err := endpointOf(t, addr, "[::ffff:127.0.0.1]:8"); !errors.Is(err, wire.CallbackFailed) {
		t.Error(err)
	}
	if want := []string{"tcp 127.0.0.1:7", "tcp 127.0.0.1:8"}; !slices.Equal(told, want) {
		t.Errorf("told %q; want %q", told, want)
	}
}
