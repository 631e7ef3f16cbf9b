package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"sync"
	"time"

	"mom.internal/cmd/internal/filewatch"
	"mom.internal/cmd/internal/token"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// tokenPeriod is how often the token file is looked at, at least.
const tokenPeriod = time.Second

// readToken reads the token. A file that changes is read again: for the next
// client, and every tokenPeriod.
func (c *config) readToken(getenv func(string) string) (err error) {
	if c.tokenFile == "" {
		c.Server.Token, err = token.Read("", getenv)
		return err
	}
	inForce := ""
	read := func() (string, error) {
		now, err := token.Read(c.tokenFile, getenv)
		if err == nil && now != inForce {
			if inForce != "" {
				c.tokenChanged()
			}
			inForce = now
		}
		return now, err
	}
	c.token, err = filewatch.New(func(err error) { c.badFile(err) }, read, c.tokenFile)
	c.Server.Authorize = func(_ context.Context, client momserver.Applicant) (momserver.Grant, error) {
		said, want := sha256.Sum256([]byte(client.Token)), sha256.Sum256([]byte(c.token.Get()))
		if subtle.ConstantTimeCompare(said[:], want[:]) == 0 {
			return momserver.Grant{}, wire.Errorf(wire.Unauthorized, "the token is missing or wrong")
		}
		return momserver.Grant{AllJobs: true}, nil
	}
	return err
}

// watchToken disconnects all clients of srv when the token in the file changes,
// because they came with the one before. stop ends that.
func (c *config) watchToken(srv *momserver.Server, log *slog.Logger) (stop func()) {
	if c.token == nil {
		return func() {}
	}
	c.tokenChanged = func() {
		n := srv.Disconnect(func(momserver.SubscriberInfo) bool { return true }, "the token has changed")
		log.Info("the token has changed", "disconnected", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(tokenPeriod)
		defer tick.Stop()
		for ctx.Err() == nil {
			c.token.Get()
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	return func() {
		cancel()
		watching.Wait()
	}
}
