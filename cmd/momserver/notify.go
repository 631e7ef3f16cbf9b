package main

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// notifier tells the service manager how the service stands, in systemd's
// protocol: datagrams of NAME=value lines to the Unix socket that it names in
// $NOTIFY_SOCKET, a path or, with @ for its first byte, an abstract name.
// Without a name there is nobody to tell.
type notifier struct {
	socket string
	log    *slog.Logger
}

// ready tells that the service is, at an address. It returns what tells, once,
// that the service stops, as the end of ctx does by itself.
func (n notifier) ready(ctx context.Context, addr net.Addr) (stopping func()) {
	n.tell("READY=1", "STATUS=mirroring; subscribers at "+addr.String())
	stopping = sync.OnceFunc(func() { n.tell("STOPPING=1", "STATUS=ending when subscribers have everything") })
	context.AfterFunc(ctx, stopping)
	return stopping
}

// tell sends the lines. That it cannot is logged, and no more: the service runs.
func (n notifier) tell(lines ...string) {
	if n.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: n.socket})
	if err == nil {
		defer conn.Close()
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, err = conn.Write([]byte(strings.Join(lines, "\n")))
	}
	if err != nil {
		n.log.Warn("cannot tell the service manager; Type=notify in its unit would wait in vain", "told", lines[0], "error", err)
	}
}
