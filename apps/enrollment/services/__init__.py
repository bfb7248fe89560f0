"""How are the enrollment doors of a pairing opened, configured and closed?"""
