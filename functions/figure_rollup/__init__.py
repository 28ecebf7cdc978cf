"""Works out the figures that everybody is shown, and publishes those that change by the second."""
