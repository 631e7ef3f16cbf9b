package main

import (
	"encoding/json"
	"io"

	"mom/wire"
)

// jsonPrinter writes an event a line, as encoding/json gives it.
type jsonPrinter struct{ w io.Writer }

func (p jsonPrinter) print(e *wire.Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = p.w.Write(append(line, '\n'))
	return err
}
