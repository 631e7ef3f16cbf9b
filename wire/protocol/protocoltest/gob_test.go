package protocoltest

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"mom.internal/momserver"
)

// signed writes a number from -128 to 127 as gob does.
func signed(n int) []byte {
	u := byte(n << 1)
	if n < 0 {
		u = ^u
	}
	if u < 128 {
		return []byte{u}
	}
	return []byte{255, u}
}

// message is a gob message of less than 128 bytes.
func message(id int, content ...byte) []byte {
	number := signed(id)
	return slices.Concat([]byte{byte(len(number) + len(content))}, number, content)
}

// structOf defines a struct without Name and Id. The fields are names and ids.
func structOf(id int, fields ...any) []byte {
	content := []byte{3, 2, byte(len(fields) / 2)} // StructT; in it Field
	for i := 0; i < len(fields); i += 2 {
		name := fields[i].(string)
		content = slices.Concat(content, []byte{1, byte(len(name))}, []byte(name), []byte{1}, signed(fields[i+1].(int)), []byte{0})
	}
	return message(-id, append(content, 0, 0)...)
}

// TestGob sends gob that was written by hand. The server answers what
// PROTOCOL.md allows, closes the connection without an answer over what it does
// not allow, and keeps the reason.
func TestGob(t *testing.T) {
	srv, addr := serving(t, momserver.Config{})
	for _, tc := range []struct {
		name   string
		body   [][]byte // after the head of a call of MoM.Ping
		reason string   // "" if the call is answered
	}{
		{"neither Name nor Id", [][]byte{structOf(101, "Unused", 1), message(101, 0)}, ""},
		{"no field at all", [][]byte{structOf(101), message(101, 0)}, ""},
		{"an unknown float", [][]byte{structOf(101, "Unused", 1, "More", 4), message(101, 2, 7, 0)}, ""},
		{"a definition that comes late", [][]byte{structOf(101, "Unused", 1, "More", 102), structOf(102, "X", 1), message(101, 0)}, ""},
		{"a definition that never comes", [][]byte{structOf(101, "Unused", 1, "More", 102), message(101, 0)}, "not defined"},
		{"an id below 64", [][]byte{structOf(63, "Unused", 1), message(63, 0)}, "already defined"},
		{"an id twice", [][]byte{structOf(101, "Unused", 1), structOf(101, "Unused", 1), message(101, 0)}, "already defined"},
		{"an unknown interface", [][]byte{structOf(101, "Unused", 1, "More", 8), message(101, 0)}, "interface"},
		{"no field in common", [][]byte{structOf(101, "Other", 1), message(101, 0)}, "nothing in common"},
		{"a field of another kind", [][]byte{structOf(101, "Unused", 2), message(101, 0)}, "cannot hold"},
		{"a message that is cut off", [][]byte{structOf(101, "Unused", 1), {3, 255}}, "cut off"},
		{"bytes after the body", [][]byte{structOf(101, "Unused", 1), message(101, 0), {0}}, "after a message"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := connect(t, addr, "")
			c.must("MoM.Subscribe", &subscribeArgs{Name: tc.name}, &subscribed{})
			payload := slices.Concat(slices.Concat([][]byte{
				structOf(100, "ServiceMethod", 6), // a Seq that is left out is 0
				message(100, append([]byte{1, 8}, "MoM.Ping\x00"...)...),
			}, tc.body)...)
			c.nc.Write(append(binary.BigEndian.AppendUint32([]byte{kindCall}, uint32(len(payload))), payload...))
			if tc.reason != "" {
				ended(t, c.nc)
				for reason := ""; !strings.Contains(reason, tc.reason); time.Sleep(time.Millisecond) {
					if all := srv.Stats().Dropped; len(all) > 0 && all[len(all)-1].Name == tc.name {
						if reason = all[len(all)-1].Detail; !strings.Contains(reason, tc.reason) {
							t.Fatalf("the reason is %q", reason)
						}
					}
				}
				return
			}
			head, err := (*response)(nil), error(nil)
			for head == nil && err == nil {
				head, err = c.step(&nothing{})
			}
			if err != nil || *head != (response{}) {
				t.Errorf("answered %+v, %v", head, err)
			}
		})
	}
}
