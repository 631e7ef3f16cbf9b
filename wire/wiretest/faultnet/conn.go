package faultnet

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// conn is one end of a connection.
type conn struct {
	pair          *pair
	out           Way
	local, remote addr

	// Guarded by the network's mu.
	closed  bool
	broken  bool // reset
	told    bool // a reset is on its way
	reading half
	writing half
}

// half is what Read or Write waits for.
type half struct {
	by   time.Time     // its deadline; zero for none
	news chan struct{} // closed when there is something to look at; nil where nobody waits
}

func (h *half) wake() {
	if h.news != nil {
		close(h.news)
		h.news = nil
	}
}

// waitFor returns what is closed with the next news.
func (h *half) waitFor() <-chan struct{} {
	if h.news == nil {
		h.news = make(chan struct{})
	}
	return h.news
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) wake() {
	c.reading.wake()
	c.writing.wake()
}

// peer returns the other end.
func (c *conn) peer() *conn { return c.pair.ends[1-c.out] }

// reset breaks the connection at this end.
func (c *conn) reset() {
	c.broken = true
	c.wake()
}

// resetAt has the reset come later.
func (c *conn) resetAt(at time.Time) {
	if c.told {
		return
	}
	c.told = true
	time.AfterFunc(time.Until(at), func() {
		c.pair.link.net.mu.Lock()
		defer c.pair.link.net.mu.Unlock()
		c.reset()
	})
}

// slack is how much later than asked a deadline comes, as timers do. It keeps
// a deadline apart from the library's own timer of the same length.
const slack = 7 * time.Nanosecond

// attempt calls try, with the network's mu held, until it is done or the
// deadline has come. try returns how long to wait for at most.
func (c *conn) attempt(op string, half *half, try func(now time.Time) (done bool, wait time.Duration, err error)) error {
	mu := &c.pair.link.net.mu
	mu.Lock()
	for {
		now := time.Now()
		if c.closed {
			mu.Unlock()
			return opError(op, c.remote, net.ErrClosed)
		}
		by := half.by.Add(slack)
		if !half.by.IsZero() && !now.Before(by) {
			c.see(os.ErrDeadlineExceeded, op, now)
			mu.Unlock()
			return opError(op, c.remote, os.ErrDeadlineExceeded)
		}
		done, wait, err := try(now)
		if done || err != nil {
			c.see(err, op, now)
			mu.Unlock()
			if err == nil || err == io.EOF {
				return err
			}
			return opError(op, c.remote, err)
		}
		if !half.by.IsZero() {
			wait = min(wait, by.Sub(now))
		}
		news := half.waitFor()
		mu.Unlock()
		pause(wait, news)
		mu.Lock()
	}
}

// pause waits for news, but no longer than wait. A wait of an hour or more
// stands for no limit, and needs no timer.
func pause(wait time.Duration, news <-chan struct{}) {
	if wait >= time.Hour {
		<-news
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-news:
	}
}

// see keeps what the server's end is told.
func (c *conn) see(err error, op string, now time.Time) {
	seen := &c.pair.seen
	switch {
	case err == nil || c.out == Up:
	case err != os.ErrDeadlineExceeded:
		if seen.Ended.IsZero() {
			seen.Ended = now
		}
	case op == "write":
		seen.WriteTimedOut = now
	}
}

// Read reads what has arrived. After a reset nothing more is read, but for
// what came before a tear.
func (c *conn) Read(to []byte) (n int, err error) {
	in := c.pair.flows[1-c.out]
	err = c.attempt("read", &c.reading, func(now time.Time) (bool, time.Duration, error) {
		if c.broken {
			return false, 0, syscall.ECONNRESET
		}
		if len(to) == 0 {
			return true, 0, nil
		}
		bytes, end, wait := in.ready(now)
		switch {
		case c.pair.forgotten && !bytes:
			return false, time.Hour, nil
		case bytes:
			n = in.read(to)
			c.peer().writing.wake() // there is space
			return true, 0, nil
		case end:
			return false, 0, io.EOF
		}
		return false, wait, nil
	})
	return n, err
}

// Write waits while the buffer of the way is full.
func (c *conn) Write(data []byte) (n int, err error) {
	out := c.pair.flows[c.out]
	err = c.attempt("write", &c.writing, func(now time.Time) (bool, time.Duration, error) {
		left := data[n:]
		switch {
		case c.broken:
			return false, 0, syscall.ECONNRESET
		case out.cutOff:
			n = len(data)
			return true, 0, nil
		case c.pair.forgotten:
			c.pair.void(c.out, len(left), now)
			n = len(data)
			return true, 0, nil
		}
		k := min(len(left), out.space())
		if torn := out.write(left[:k], now); torn {
			c.resetAt(out.last.Add(time.Nanosecond))
			c.peer().resetAt(out.last.Add(time.Nanosecond))
			k = len(left)
		}
		if n += k; k > 0 {
			c.peer().reading.wake()
		}
		if c.peer().closed { // it answers with a reset
			c.resetAt(c.pair.link.answer(now))
		}
		return n == len(data), time.Hour, nil
	})
	return n, err
}

// Close closes this end. The other one reads what was written, and then the
// end.
func (c *conn) Close() error {
	mu := &c.pair.link.net.mu
	mu.Lock()
	defer mu.Unlock()
	if c.closed {
		return opError("close", c.remote, net.ErrClosed)
	}
	c.close()
	return nil
}

func (c *conn) close() {
	if c.closed {
		return
	}
	c.closed = true
	p := c.pair
	p.note(time.Now())
	delete(p.link.net.open, c)
	if !p.forgotten {
		p.flows[c.out].end(time.Now())
	}
	if c.peer().closed {
		delete(p.link.pairs, p)
	}
	p.wake()
}

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	c.setDeadline(&c.reading, t)
	return c.setDeadline(&c.writing, t)
}

// SetReadDeadline sets the deadline of Read, also of one that waits.
func (c *conn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(&c.reading, t)
}

// SetWriteDeadline sets the deadline of Write, also of one that waits.
func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(&c.writing, t)
}

func (c *conn) setDeadline(half *half, t time.Time) error {
	mu := &c.pair.link.net.mu
	mu.Lock()
	defer mu.Unlock()
	if c.closed {
		return opError("set", c.remote, net.ErrClosed)
	}
	half.by = t
	half.wake()
	return nil
}
