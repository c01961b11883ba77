package tokens

import (
	"context"
	"errors"

	"locum/bff/platform"
)

// reach makes sure that a platform's endpoints and keys are known, which is so at once where they are configured. Whatever the
// error, nothing was sent: it is of kind Unavailable, or Misconfigured where the server says of itself what cannot be.
func (k *Keeper) reach(live *platform.Live) *Error {
	ctx, cancel := context.WithTimeout(context.Background(), wireDeadline)
	defer cancel()
	err := k.platforms.Discover(ctx, live.ID)
	var refused *platform.DiscoveryError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused) && refused.Code != platform.DiscoveryUnreachable:
		return &Error{Kind: Misconfigured, Code: CauseMetadata, Err: err}
	}
	return &Error{Kind: Unavailable, Code: CauseUnreachable, Err: err}
}
