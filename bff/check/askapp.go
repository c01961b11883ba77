package check

import (
	"context"
	"fmt"

	"locum/bff/ask"
	"locum/bff/control"
	"locum/bff/keys"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
)

// askApp asks a platform with SMART scopes: by the credentials in the vault, or, while the running Locum holds that, through
// it.
func (c *checker) askApp(ctx context.Context, i int, p *platform.Platform) {
	answers, err := c.answers(ctx, p)
	if err != nil {
		c.unseen("what "+p.ID+" says", err.Error())
		return
	}
	for _, f := range answers.Findings {
		key := entry(i)
		if f.Key != "" {
			key += "." + f.Key
		}
		c.setting(Severity(f.Severity), f.Code, key, f.Cause, f.Fix)
	}
	for _, u := range answers.Unseen {
		c.unseen(u.What, u.Why)
	}
}

func (c *checker) answers(ctx context.Context, p *platform.Platform) (ask.Answers, error) {
	if c.held {
		var answers ask.Answers
		err := control.Call(ctx, c.cfg.DataDir, ask.Command, ask.Order{Platform: p.ID, Settings: ask.Settings(p)}, secret.String{}, &answers)
		if err != nil {
			return ask.Answers{}, fmt.Errorf("the running Locum holds the credentials, and does not answer: %w", err)
		}
		return answers, nil
	}
	return ask.Platform(ctx, p, ask.Means{
		Secret: func(id string) (secret.String, error) { return c.secrets[id], nil },
		Key: func(id string) (oauth.SigningKey, error) {
			if key, ok := c.signing[id]; ok {
				return key, nil
			}
			return oauth.SigningKey{}, keys.ErrNone
		},
		Pin: c.pins[p.ID], Command: c.command,
	}), nil
}
