"""The training doctor: what a run's own figures say about it, in plain words; silent when all is well."""
