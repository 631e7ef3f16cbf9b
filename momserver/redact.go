package momserver

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// redact.go keeps tokens out of what is printed, logged and marshalled. Package
// fmt calls no method of a value in an unexported field, nor for a verb that
// fits no value (%p, %w), so that nothing here helps there.

// hidden stands for a token that is set.
const hidden = "(hidden)"

// Format implements [fmt.Formatter]. It prints c without the Token, with one
// exception: if a struct that is printed has a Config, and not a pointer to one, in
// an unexported field, fmt prints the Token.
func (c Config) Format(f fmt.State, verb rune) {
	type plain Config // without methods
	if c.Token != "" {
		c.Token = hidden
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), plain(c))
}

// MarshalJSON returns the bounds and times of c, without the Token.
func (c Config) MarshalJSON() ([]byte, error) {
	type plain Config
	return json.Marshal(struct {
		plain
		Token, TLS, Authorize, AllowCallback, DialContext, Logger any `json:",omitempty"`
	}{plain: plain(c)})
}

// Format implements [fmt.Formatter]. It prints what String returns, because fmt
// would print the token otherwise.
func (a Applicant) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, fmt.FormatString(f, verb), a.String())
}

// LogValue returns what String returns.
func (a Applicant) LogValue() slog.Value { return slog.StringValue(a.String()) }

// MarshalJSON returns the address and the identity.
func (a Applicant) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct{ Addr, Identity string }{a.Addr, a.Identity})
}
