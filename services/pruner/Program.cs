// Placeholder until the worker host exists.
return 0;
