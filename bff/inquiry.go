package bff

import (
	"context"
	"encoding/json"
	"fmt"

	"locum/bff/ask"
	"locum/bff/audit"
	"locum/bff/secret"
)

// commandAsk asks a platform what only it can answer, by the credentials that this server holds, and puts on record that they
// were used. It changes nothing else, here or there.
func (s *Server) commandAsk(ctx context.Context, input json.RawMessage, _ secret.String) (any, error) {
	var order ask.Order
	if err := ordered(input, &order); err != nil {
		return nil, err
	}
	live, err := s.platforms.Get(order.Platform)
	if err != nil {
		return nil, fmt.Errorf("platform %.40q: %w; the running Locum may know an older configuration: start it again", order.Platform, err)
	}
	if answers, meant := order.Meant(live.Platform); !meant {
		return answers, nil
	}
	pin, err := s.loadPin(live.ID)
	if err != nil {
		return nil, err
	}
	event := audit.Event{Kind: "platform_asked", Platform: live.ID, Remote: "command line"}
	if err := s.audit.Event(context.WithoutCancel(ctx), event); err != nil {
		return nil, err
	}
	return ask.Platform(ctx, live.Platform, ask.Means{
		Secret: s.clientSecret, Key: s.keys.Signer, Pin: pin, Dial: live.DialFunc,
		Command: func(words string) string { return "`locum " + words + "`" },
	}), nil
}
