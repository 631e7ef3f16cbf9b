package termtest

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"mom.internal/cmd/momclient/internal/tty"
)

// OpenPTY returns both ends of a new pseudo-terminal: a program on it has slave,
// and what the program writes is read from master.
func OpenPTY() (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	var number, unlock int32
	if err = tty.Ioctl(master, syscall.TIOCGPTN, unsafe.Pointer(&number)); err == nil {
		err = tty.Ioctl(master, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

// ResizePTY sets the size of the terminal.
func ResizePTY(master *os.File, columns, rows int) error {
	size := [4]uint16{uint16(rows), uint16(columns)}
	return tty.Ioctl(master, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
}
