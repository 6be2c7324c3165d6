"""Pure functions on tensors that several chapters share. Nothing here knows a class of Peira."""
