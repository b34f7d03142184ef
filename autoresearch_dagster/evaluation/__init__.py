"""The trusted evaluator: the only code that reads validation rows and writes receipts."""
