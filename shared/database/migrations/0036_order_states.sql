-- The states of an order that is paid. Values that a transaction adds can be used by the next one only.
ALTER TYPE order_state ADD VALUE 'fulfilled' BEFORE 'cancelled';
ALTER TYPE order_state ADD VALUE 'shipped' BEFORE 'cancelled';
ALTER TYPE order_state ADD VALUE 'delivered' BEFORE 'cancelled';
