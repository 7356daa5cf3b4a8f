"""What the attack, the certificates and the directions need of a model: checked input, logits, labels."""
