// Package token reads the token of a server or a client. Both commands use it.
package token

import (
	"fmt"
	"os"
	"strings"

	"mom.internal/wire"
)

// Read returns the token in the file, or in MOM_TOKEN if file is empty. A token
// never stands on the command line, which everybody on the machine can read.
func Read(file string, getenv func(string) string) (string, error) {
	token, source := getenv("MOM_TOKEN"), "MOM_TOKEN"
	if file != "" {
		source = "-token-file " + file
		data, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("-token-file: %w; name a file that holds the token alone", err)
		}
		if token = strings.TrimRight(string(data), "\r\n"); token == "" {
			return "", fmt.Errorf("%s holds no token; the file must hold the token alone", source)
		}
		if strings.ContainsAny(token, "\r\n") {
			return "", fmt.Errorf("%s holds more than one line; the file must hold the token alone", source)
		}
	}
	if len(token) > wire.MaxTokenBytes {
		return "", fmt.Errorf("%s: a token of %d bytes; at most %d", source, len(token), wire.MaxTokenBytes)
	}
	return token, nil
}
