package momclient

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"mom.internal/wire/wiretest/secret"
)

// TestTokenHidden prints all that has the token, in every way.
func TestTokenHidden(t *testing.T) {
	const token = "sesame-4711"
	opts := Options{Token: token, Queue: 4321, TLS: new(tls.Config), Logger: slog.Default(), OnPanic: func(*PanicError) {}}
	secret.Hidden(t, opts, token, "4321")
	c := New("10.0.0.1:7", opts)
	defer c.Close()
	secret.Hidden(t, c, token, "")
	if said := fmt.Sprintf("%+v", Options{}); strings.Contains(said, hidden) {
		t.Errorf("without a token: %s", said)
	}
}
