package faultnet

import "encoding/binary"

// framer finds where the messages of one direction end: what opens it, if
// anything, then frames, or records of TLS.
type framer struct {
	opening heading // zero when it is over
	each    heading // of every message after it
	head    []byte
	left    int // bytes of the message that are still to come
}

// heading is how a message begins: so many bytes, of which the last ones say
// how many follow.
type heading struct{ size, length int }

var (
	hello         = heading{7, 2}
	welcome       = heading{8, 2}
	endpointProof = heading{53, 0}
	serverProof   = heading{32, 0}
	frame         = heading{5, 4}
	record        = heading{5, 2}
)

// newFramer returns the framer of a way of a connection that was dialled up, or
// down by a server that dials back.
func newFramer(way, dialled Way, tls bool) framer {
	opening := [2][2]heading{Up: {hello, welcome}, Down: {endpointProof, serverProof}}[dialled][way]
	switch {
	case !tls:
		return framer{opening: opening, each: frame}
	case opening == endpointProof: // in the clear, before TLS
		return framer{opening: opening, each: record}
	}
	return framer{each: record}
}

// take returns how many of the bytes belong to the current message.
func (f *framer) take(data []byte) int {
	for i := range data {
		if f.left > 0 {
			n := min(f.left, len(data)-i)
			if f.left -= n; f.left == 0 {
				f.next()
			}
			return i + n
		}
		f.head = append(f.head, data[i])
		h := f.heading()
		if len(f.head) < h.size {
			continue
		}
		if f.left = h.follow(f.head); f.left == 0 {
			f.next()
			return i + 1
		}
	}
	return len(data)
}

// heading returns that of the current message.
func (f *framer) heading() heading {
	if f.opening != (heading{}) {
		return f.opening
	}
	return f.each
}

// next begins the next message.
func (f *framer) next() { f.head, f.opening = f.head[:0], heading{} }

// follow returns how many bytes follow a whole head.
func (h heading) follow(head []byte) int {
	switch at := head[h.size-h.length:]; h.length {
	case 2:
		return int(binary.BigEndian.Uint16(at))
	case 4:
		return int(binary.BigEndian.Uint32(at))
	}
	return 0
}
