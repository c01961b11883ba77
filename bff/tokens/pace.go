package tokens

import (
	"locum/bff/oauth"
	"locum/bff/platform"
)

// admit waits for the right to make one request to the platform's token endpoint.
func (k *Keeper) admit(_ *held, _ *platform.Live, _ reason) error { return nil }

// heard tells how that request went.
func (k *Keeper) heard(_ *held, _ *platform.Live, _ oauth.Answer, _ error) {}

// admitCode is admit for the exchange of a code; what it gives is told how that went.
func (k *Keeper) admitCode(_ *platform.Live) (heard func(oauth.Answer, error), err error) {
	return func(oauth.Answer, error) {}, nil
}
