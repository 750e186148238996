//! Values of JavaScript inside what core may send between threads, of which there is one.

use std::any::Any;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;

thread_local! {
    static VALUES: RefCell<Vec<Option<Rc<dyn Any>>>> = const { RefCell::new(Vec::new()) };
}

/// A value that stays with the thread that gave it: this is only its number there.
#[derive(Debug)]
pub struct Local<T> {
    number: usize,
    of: PhantomData<fn() -> T>,
}

impl<T: 'static> Local<T> {
    /// Keeps a value until this is dropped.
    pub fn new(value: T) -> Self {
        let value: Rc<dyn Any> = Rc::new(value);
        let number = VALUES.with_borrow_mut(|values| match values.iter().position(Option::is_none) {
            Some(free) => {
                values[free] = Some(value);
                free
            }
            None => {
                values.push(Some(value));
                values.len() - 1
            }
        });
        Self { number, of: PhantomData }
    }

    /// The value; `None` on another thread than that which gave it.
    pub fn get(&self) -> Option<Rc<T>> {
        VALUES.with_borrow(|values| values.get(self.number)?.clone())?.downcast().ok()
    }
}

impl<T> Drop for Local<T> {
    fn drop(&mut self) {
        // What is dropped with it may drop others.
        let value = VALUES.with_borrow_mut(|values| values.get_mut(self.number).and_then(Option::take));
        drop(value);
    }
}
