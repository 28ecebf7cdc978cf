-- People who say what became of a parcel refuse a wish to cancel that came in the meantime: its tins have left.
GRANT UPDATE (cancel_refused_at) ON orders TO blakjaks_order_decisions;
