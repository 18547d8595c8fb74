package attack

import (
	"errors"
	"slices"
)

// Generate returns the cases of these classes, or of all if none is named, made with new keys.
func Generate(only ...Class) ([]Case, error) {
	f, err := newForge()
	if err != nil {
		return nil, err
	}
	for _, step := range []struct {
		classes []Class
		add     func()
	}{
		{[]Class{Algorithm}, f.algorithmCases},
		{[]Class{Confusion}, f.confusionCases},
		{[]Class{Signature}, f.signatureCases},
		{[]Class{BitFlips}, f.flipCases},
		{[]Class{RSAPadding, PSSSalt}, f.paddingCases},
		{[]Class{Encoding}, f.encodingCases},
		{[]Class{Shape}, f.shapeCases},
		{[]Class{Header}, f.headerCases},
		{[]Class{Payload}, f.payloadCases},
		{[]Class{Dates}, f.dateCases},
		{[]Class{Claim}, f.claimCases},
		{[]Class{Kinds}, f.kindCases},
		{[]Class{Order}, f.orderCases},
		{[]Class{Routing}, f.routingCases},
	} {
		if len(only) == 0 || slices.ContainsFunc(step.classes, func(class Class) bool { return slices.Contains(only, class) }) {
			step.add()
		}
	}
	return f.cases, errors.Join(f.errs...)
}
