package server

import (
	"io"
	"net"
	"os"
)

// Serve passes on what comes on each connection to the broker at the address in BROKER, and its answers back.
func (s *Server) Serve(l net.Listener) error {
	for {
		client, err := l.Accept()
		if err != nil {
			return err
		}
		broker, err := net.Dial("tcp", os.Getenv("BROKER"))
		if err != nil {
			client.Close()
			return err
		}
		go relay(broker, client)
		go relay(client, broker)
	}
}

func relay(to, from net.Conn) {
	io.Copy(to, from)
	to.Close()
}
