package momserver

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"mom.internal/wire/wiretest/secret"
)

// TestTokensHidden prints all that has a token, in every way.
func TestTokensHidden(t *testing.T) {
	const token = "sesame-4711"
	cfg := Config{Token: token, MaxConns: 4321, TLS: new(tls.Config)}
	cfg.Logger = New(cfg).cfg.Logger
	secret.Hidden(t, cfg, token, "4321")
	secret.Hidden(t, Applicant{Addr: "10.0.0.1:7", Token: token, TLS: new(tls.ConnectionState)}, token, "10.0.0.1:7")
	secret.Hidden(t, New(cfg), token, "")
	if said := fmt.Sprintf("%+v", Config{}); strings.Contains(said, hidden) {
		t.Errorf("without a token: %s", said)
	}
}
