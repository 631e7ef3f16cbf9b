package momserver

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire/protocol"
)

// TestPlaces: a newcomer takes the place of an unproven connection: the oldest
// one of its own address over the share, or else the oldest one of the address
// with the most. A connection that has greeted keeps its place.
func TestPlaces(t *testing.T) {
	const proven = 100 // added to the number of the address
	for name, tc := range map[string]struct {
		come []int // the addresses, in this order
		open []int // which of them are open in the end
	}{
		"the oldest of its own":             {[]int{1, 2, 1, 1, 1, 1}, []int{1, 3, 4, 5}},
		"the oldest of the most":            {[]int{2, 1, 1, 3, 3, 3, 4}, []int{0, 1, 2, 4, 5, 6}},
		"among equals the oldest":           {[]int{3, 1, 2, 4, 5, 6, 7}, []int{1, 2, 3, 4, 5, 6}},
		"the proven stay":                   {[]int{1 + proven, 1 + proven, 2 + proven, 1, 1, 2, 3, 4, 5}, []int{0, 1, 2, 6, 7, 8}},
		"no place for more than the share":  {[]int{1 + proven, 1 + proven, 1 + proven, 1, 1, 2}, []int{0, 1, 2, 5}},
		"no place when all have proven":     {[]int{1 + proven, 2 + proven, 3 + proven, 4 + proven, 5 + proven, 6 + proven, 7, 8}, []int{0, 1, 2, 3, 4, 5}},
		"the only unproven one gives way":   {[]int{1 + proven, 2 + proven, 3 + proven, 4 + proven, 5 + proven, 6, 7, 8}, []int{0, 1, 2, 3, 4, 7}},
		"an address that only has the most": {[]int{1 + proven, 1 + proven, 1 + proven, 2, 2, 3, 4}, []int{0, 1, 2, 4, 5, 6}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := New(Config{MaxConns: 6, MaxConnsPerAddr: 3})
				defer srv.Close()
				var conns []net.Conn
				for _, from := range tc.come {
					nc := connected(srv, fmt.Sprint("10.0.0.", from%proven))
					conns = append(conns, nc)
					if from > proven {
						if _, err := protocol.Greet(nc, "", time.Second); err != nil {
							t.Fatal(err)
						}
					}
					synctest.Wait()
				}
				time.Sleep(2 * time.Second) // those who are refused have been told
				var open []int
				for i, nc := range conns {
					nc.SetReadDeadline(time.Now().Add(time.Millisecond))
					if _, err := nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
						open = append(open, i)
					}
					nc.Close()
				}
				if !slices.Equal(open, tc.open) {
					t.Errorf("open are %v; want %v", open, tc.open)
				}
			})
		})
	}
}

// TestPlacesAreConsistent compares the records of connections with each other,
// while random connections come, greet and go.
func TestPlacesAreConsistent(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	srv := New(Config{MaxConns: 20, MaxConnsPerAddr: 7})
	var conns []*clientConn
	for range 5000 {
		switch n := len(conns); {
		case r.IntN(3) > 0 || n == 0:
			c := &clientConn{srv: srv, addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(6))})}
			older, why := srv.findPlace(c)
			if why != nil {
				continue
			}
			if older != nil {
				srv.removePlace(older)
				srv.removePlace(older) // as its goroutine does at its end
			}
			srv.addPlace(c)
			conns = append(conns, c)
		case r.IntN(2) == 0:
			srv.markProven(conns[r.IntN(n)])
		default:
			i := r.IntN(n)
			srv.removePlace(conns[i])
			conns = slices.Delete(conns, i, i+1)
		}
		count, unproven := make(map[netip.Addr]int), make(map[netip.Addr]int)
		for c := range srv.conns {
			if count[c.addr]++; c.unproven != nil {
				unproven[c.addr]++
			}
		}
		most := 0
		for addr, from := range srv.perAddr {
			if from.count != count[addr] || from.count > 7 || from.unproven.Len() != unproven[addr] || srv.byUnproven[from.index] != from {
				t.Fatalf("%v: %d connections, %d unproven; want %d and %d", addr, from.count, from.unproven.Len(), count[addr], unproven[addr])
			}
			most = max(most, from.unproven.Len())
		}
		if len(srv.perAddr) != len(count) || len(srv.byUnproven) != len(count) || len(srv.conns) > 20 || len(count) > 0 && srv.byUnproven[0].unproven.Len() != most {
			t.Fatalf("%d addresses, %d in the heap; want %d", len(srv.perAddr), len(srv.byUnproven), len(count))
		}
	}
}

// TestDescriptorReserve leaves a quarter of the descriptors to the mirroring.
func TestDescriptorReserve(t *testing.T) {
	for limit, want := range map[int]int{40: 10, 1024: 256, 4096: 1024, 1 << 20: 1024, math.MaxInt32: 1024} {
		if got := descriptorReserve(limit); got != want {
			t.Errorf("of %d: %d; want %d", limit, got, want)
		}
	}
}
