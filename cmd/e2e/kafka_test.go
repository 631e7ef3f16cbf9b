//go:build unix

package e2e

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// The requests that a producer of Kafka sends.
const (
	kafkaProduce     = 0
	kafkaMetadata    = 3
	kafkaAPIVersions = 18
)

// kafka is a broker with one topic of one partition, which is as much of one as a
// producer needs. It speaks version 0 of each request.
type kafka struct {
	t     *testing.T
	topic string
	addr  string

	mu    sync.Mutex // guards lines
	lines strings.Builder
}

// startKafka starts a broker that runs until the test ends.
func startKafka(t *testing.T, topic string) *kafka {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &kafka{t: t, topic: topic, addr: l.Addr().String()}
	var all sync.WaitGroup
	t.Cleanup(all.Wait) // the producer, which has been killed by then, ends the connections
	t.Cleanup(func() { l.Close() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				k.serve(c)
			})
		}
	})
	return k
}

// taken returns the messages, each as a line.
func (k *kafka) taken() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lines.String()
}

// serve answers the requests of a connection until its end.
func (k *kafka) serve(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		var size [4]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return
		}
		request := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(in, request); err != nil {
			return
		}
		r := kafkaReader{request}
		api, version, id := r.int16(), r.int16(), r.int32()
		r.string() // the name of the client
		answer := kafkaWriter(binary.BigEndian.AppendUint32(make([]byte, 4), uint32(id)))
		switch api {
		case kafkaAPIVersions:
			answer.versions(version)
		case kafkaMetadata:
			answer.metadata(k)
		case kafkaProduce:
			k.produce(&r, &answer)
		default:
			k.t.Errorf("a request %d", api)
			return
		}
		binary.BigEndian.PutUint32(answer, uint32(len(answer)-4))
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// versions adds the versions of the requests. A producer that has asked in a later
// version asks again.
func (w *kafkaWriter) versions(version int16) {
	const unsupported = 35
	if version == 0 {
		w.int16(0)
	} else {
		w.int16(unsupported)
	}
	w.int32(3)
	for _, api := range []int16{kafkaProduce, kafkaMetadata, kafkaAPIVersions} {
		w.int16(api)
		w.int16(0)
		w.int16(0)
	}
}

// metadata adds the only broker, 1, and the only partition, 0, of the topic.
func (w *kafkaWriter) metadata(k *kafka) {
	addr := k.addrPort()
	w.int32(1)
	w.int32(1)
	w.string(addr.IP.String())
	w.int32(int32(addr.Port))
	w.int32(1)
	w.int16(0)
	w.string(k.topic)
	w.int32(1)
	w.int16(0)
	w.int32(0)
	for range 3 { // the leader, the replicas and those that are in sync
		w.int32(1)
	}
	w.int32(1)
	w.int32(1)
}

func (k *kafka) addrPort() *net.TCPAddr {
	addr, _ := net.ResolveTCPAddr("tcp", k.addr)
	return addr
}

// produce takes the messages of a request.
func (k *kafka) produce(r *kafkaReader, answer *kafkaWriter) {
	r.int16() // how many acknowledgements are wanted
	r.int32() // the time for that
	answer.int32(r.int32())
	topic := r.string()
	answer.string(topic)
	answer.int32(r.int32())
	answer.int32(r.int32()) // the partition
	answer.int16(0)
	answer.int64(-1)
	k.mu.Lock()
	defer k.mu.Unlock()
	for messages := (kafkaReader{r.bytes()}); len(messages.rest) > 0; {
		messages.take(8 + 4 + 4 + 1 + 1) // offset, size, checksum, version, attributes
		messages.bytes()                 // the key
		k.lines.Write(messages.bytes())
		k.lines.WriteByte('\n')
	}
	if topic != k.topic || len(r.rest) > 0 {
		k.t.Errorf("a request for the topic %q, and %d bytes for others", topic, len(r.rest))
	}
}

// kafkaReader reads a request. It panics if the request is too short.
type kafkaReader struct{ rest []byte }

func (r *kafkaReader) take(n int) (taken []byte) {
	taken, r.rest = r.rest[:n], r.rest[n:]
	return taken
}

func (r *kafkaReader) int16() int16   { return int16(binary.BigEndian.Uint16(r.take(2))) }
func (r *kafkaReader) int32() int32   { return int32(binary.BigEndian.Uint32(r.take(4))) }
func (r *kafkaReader) string() string { return string(r.take(max(0, int(r.int16())))) }
func (r *kafkaReader) bytes() []byte  { return r.take(max(0, int(r.int32()))) }

// kafkaWriter is an answer.
type kafkaWriter []byte

func (w *kafkaWriter) int16(n int16) { *w = binary.BigEndian.AppendUint16(*w, uint16(n)) }
func (w *kafkaWriter) int32(n int32) { *w = binary.BigEndian.AppendUint32(*w, uint32(n)) }
func (w *kafkaWriter) int64(n int64) { *w = binary.BigEndian.AppendUint64(*w, uint64(n)) }
func (w *kafkaWriter) string(s string) {
	w.int16(int16(len(s)))
	*w = append(*w, s...)
}
