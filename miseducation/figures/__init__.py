"""Pictures and plots, as matplotlib figures; the same input gives the same PNG bytes."""
