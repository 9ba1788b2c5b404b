"""What is made of conflicts in the hub: sides preferred, files merged by their structure, losses named."""
