"""An index's views searched in Milvus: what is sent there, whether it is still the index's, exact answers from it."""
